package dev.kindling.exchange;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.Rounding;
import dev.kindling.allreduce.SumOrder;
import dev.kindling.device.Device;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.Optional;

/**
 * Sums over host memory. Where gradients lie there (CPU), they are handed to the {@link AllReduce} as soon as the backward
 * pass has completed {@value #MIN_FLOATS} of them, and travel while it goes on. Device memory is copied to the host when
 * the backward pass is done, bucket after bucket; each travels while the next one is copied.
 */
sealed class HostGradientExchange implements GradientExchange permits HostZeroExchange {
    /** Smaller pieces would cost more in messages than they hide behind the backward pass. */
    private static final int MIN_FLOATS = 256 << 10;

    private final Device device;
    private final AllReduce allReduce;
    private final Parameters parameters;
    private final SumOrder order;
    private final Optional<GradientResidual> residual;
    private final List<Tensor> operands;
    private final StepLosses losses;
    /** This rank's operands of the sum, in host memory; the last are the gradients. Null where there is one rank. */
    private final float[][] host;
    /** Whether the gradients lie in host memory, in F32, so that nothing is copied. */
    private final boolean inPlace;

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
        operands = sum.operands();
        losses = sum.losses();
        inPlace = device.hostArray(parameters.gradients()).isPresent();
        boolean alone = allReduce.worldSize() == 1;
        host = alone ? null : operands.stream().map(this::hostArray).toArray(float[][]::new);
    }

    private float[] hostArray(Tensor flat) {
        if (inPlace && flat.offset() != 0) {
            throw new IllegalArgumentException(flat + " does not start its array");
        }
        return device.hostArray(flat).orElseGet(() -> new float[Math.toIntExact(flat.count())]);
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
        if (host == null) {
            return;
        }
        Range range = parameters.buckets().get(bucket);
        residual.ifPresent(left -> left.apply(rounding, range));
        if (inPlace && range.end() - submitted >= MIN_FLOATS) {
            submitUpTo(range.end(), rounding);
        }
    }

    private void submitUpTo(long end, Rounding rounding) {
        SumOrder rounded = rounding == Rounding.NONE ? order : SumOrder.byRank(allReduce.worldSize(), rounding);
        submit(rounded, host, Math.toIntExact(submitted), Math.toIntExact(end - submitted));
        submitted = end;
    }

    /** Starts the sum of a range of the operands. */
    void submit(SumOrder rounded, float[][] from, int offset, int length) {
        allReduce.submit(rounded, from, offset, length);
    }

    @Override
    public final void awaitHost(Rounding rounding) {
        if (host == null) {
            return;
        }
        losses.submit(allReduce);
        if (inPlace) {
            submitUpTo(parameters.count(), rounding);
        } else {
            parameters.buckets().forEach(bucket -> stage(bucket, rounding));
        }
        waitedNanos = 0;
        awaiting(allReduce::await);
        submitted = 0;
        if (maxima != null) {
            awaiting(this::shareMaxima);
        }
        if (!inPlace) {
            upload(staged(), parameters.gradients());
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

    /** Copies a bucket to the host; it travels while the next one is copied. */
    private void stage(Range bucket, Rounding rounding) {
        for (int i = 0; i < host.length; i++) {
            Tensor part = operands.get(i).slice(0, bucket.offset(), bucket.length());
            device.download(
                    part,
                    FloatBuffer.wrap(host[i], Math.toIntExact(bucket.offset()), Math.toIntExact(bucket.length())));
        }
        submitUpTo(bucket.end(), rounding);
    }

    /** Copies the sums that this rank has got to the gradients on the device. */
    void upload(float[] sums, Tensor gradients) {
        device.upload(sums, gradients);
    }

    /** The gradients in host memory. */
    final float[] staged() {
        return host[host.length - 1];
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
