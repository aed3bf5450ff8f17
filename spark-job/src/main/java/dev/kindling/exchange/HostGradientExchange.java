package dev.kindling.exchange;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.Operands;
import dev.kindling.allreduce.Rounding;
import dev.kindling.allreduce.SumOrder;
import dev.kindling.device.Device;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.Optional;

/**
 * Sums over host memory. Where gradients lie there (CPU), they are handed to the {@link AllReduce} as soon as the backward
 * pass has completed {@value #MIN_FLOATS} of them, and travel while it goes on. Device memory goes through
 * {@link HostWindows} when the backward pass is done.
 */
sealed class HostGradientExchange implements GradientExchange permits HostZeroExchange {
    /** Smaller pieces would cost more in messages than they hide behind the backward pass. */
    private static final int MIN_FLOATS = 256 << 10;

    private final Device device;
    private final AllReduce allReduce;
    private final Parameters parameters;
    private final SumOrder order;
    private final Optional<GradientResidual> residual;
    private final StepLosses losses;
    private final boolean alone;
    /** This rank's operands of the sum where they lie in host memory, in F32, so that nothing is copied; else null. */
    private final Operands inPlace;
    /** The way there where they lie elsewhere; else null. */
    private final HostWindows windows;

    /** The maxima that are to be shared, or null. */
    private Tensor maxima;

    private long submitted;
    private long waitedNanos;

    /** @param residual of this rank's rounding, with {@code cluster.compression} */
    HostGradientExchange(
            AllReduce allReduce,
            Gpt.DeviceArena memory,
            Parameters parameters,
            GradientSum sum,
            Optional<GradientResidual> residual) {
        device = memory.device();
        this.allReduce = allReduce;
        this.parameters = parameters;
        this.residual = residual;
        order = sum.order();
        losses = sum.losses();
        alone = allReduce.worldSize() == 1;
        boolean onHost = device.hostArray(parameters.gradients()).isPresent();
        inPlace = onHost && !alone
                ? new Operands(sum.operands().stream().map(this::hostArray).toArray(float[][]::new), 0)
                : null;
        windows = onHost || alone ? null : new HostWindows(device, allReduce, sum.operands(), wanted(parameters));
    }

    private float[] hostArray(Tensor flat) {
        if (flat.offset() != 0) {
            throw new IllegalArgumentException(flat + " does not start its array");
        }
        return device.hostArray(flat).orElseThrow();
    }

    /** The gradients whose sums this rank needs. */
    Range wanted(Parameters of) {
        return new Range(0, of.count());
    }

    @Override
    public final String transport() {
        return allReduce.name();
    }

    /** They follow the gradients, in {@link #awaitHost}. */
    @Override
    public final void lossesReady() {}

    @Override
    public final void bucketReady(int bucket, Rounding rounding) {
        if (alone) {
            return;
        }
        Range range = parameters.buckets().get(bucket);
        residual.ifPresent(left -> left.apply(rounding, range));
        if (inPlace != null && range.end() - submitted >= MIN_FLOATS) {
            submitUpTo(range.end(), rounding);
        }
    }

    private void submitUpTo(long end, Rounding rounding) {
        submit(order(rounding), inPlace, new Range(submitted, end - submitted));
        submitted = end;
    }

    private SumOrder order(Rounding rounding) {
        return rounding == Rounding.NONE ? order : SumOrder.byRank(allReduce.worldSize(), rounding);
    }

    /** Starts the sum of a range of the operands; what {@link AllReduce#await(long)} takes. */
    long submit(SumOrder rounded, Operands from, Range range) {
        return allReduce.submit(rounded, from, Math.toIntExact(range.offset()), Math.toIntExact(range.length()));
    }

    @Override
    public final void awaitHost(Rounding rounding) {
        if (alone) {
            return;
        }
        losses.submit(allReduce);
        waitedNanos = 0;
        if (inPlace != null) {
            submitUpTo(parameters.count(), rounding);
        } else {
            SumOrder rounded = order(rounding);
            Range all = new Range(0, parameters.count());
            windows.send(all, (window, range) -> submit(rounded, window, range));
            awaiting(windows::takeAllBack);
        }
        awaiting(allReduce::await);
        submitted = 0;
        if (maxima != null) {
            awaiting(this::shareMaxima);
        }
    }

    @Override
    public final void maximaReady(Tensor ofThisRank) {
        maxima = ofThisRank;
    }

    private void shareMaxima() {
        float[] largest = new float[Math.toIntExact(maxima.count())];
        device.download(maxima, largest);
        byte[] own = new byte[largest.length * Float.BYTES];
        ByteBuffer.wrap(own).asFloatBuffer().put(largest);
        for (byte[] other : allReduce.allGather(own)) {
            FloatBuffer values = ByteBuffer.wrap(other).asFloatBuffer();
            for (int i = 0; i < largest.length; i++) {
                largest[i] = Math.max(largest[i], values.get(i));
            }
        }
        device.upload(largest, maxima);
    }

    /** Adds the time that {@code exchange} takes to what this step has waited. */
    final void awaiting(Runnable exchange) {
        long began = System.nanoTime();
        exchange.run();
        waitedNanos += System.nanoTime() - began;
    }

    @Override
    public final long waitedNanos() {
        return waitedNanos;
    }
}
