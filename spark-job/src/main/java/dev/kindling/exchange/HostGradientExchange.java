package dev.kindling.exchange;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.Rounding;
import dev.kindling.allreduce.SumOrder;
import dev.kindling.device.Device;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.Parameters;
import dev.kindling.nn.Parameters.Range;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;

/**
 * Exchanges over host memory. Where gradients lie there (CPU), they are handed to the {@link AllReduce} as soon as backward
 * has completed {@value #MIN_FLOATS} of them, and travel while backward goes on; device memory is staged through the
 * host when backward is done, bucket after bucket.
 */
public final class HostGradientExchange implements ZeroExchange {
    /** Smaller pieces would cost more in messages than they hide behind backward. */
    private static final int MIN_FLOATS = 256 << 10;

    private final Device device;
    private final AllReduce allReduce;
    private final Parameters parameters;
    private final SumOrder order;
    private final Optional<GradientResidual> residual;
    private final List<Tensor> operands;
    private final float[][] host;
    private final boolean inPlace;
    private final Range own;
    /** Where the range of each rank starts, and the end; null where every rank updates all weights. */
    private final int[] bounds;

    private long submitted;
    private long waitedNanos;

    /** @param residual of this rank's rounding, with {@code cluster.compression} */
    public HostGradientExchange(
            Gpt.DeviceMemory memory,
            AllReduce allReduce,
            Parameters parameters,
            GradientSum sum,
            Optional<GradientResidual> residual) {
        device = memory.device();
        this.parameters = parameters;
        this.residual = residual;
        this.allReduce = allReduce;
        order = sum.order();
        operands = sum.operands();
        own = parameters.own().get(0);
        bounds = own.equals(parameters.all()) ? null : bounds();
        inPlace = device.hostArray(parameters.gradients()).isPresent();
        boolean alone = allReduce.worldSize() == 1;
        host = alone ? null : operands.stream().map(this::hostArray).toArray(float[][]::new);
    }

    private int[] bounds() {
        int[] starts = new int[allReduce.worldSize() + 1];
        for (int r = 0; r < allReduce.worldSize(); r++) {
            starts[r + 1] = Math.toIntExact(parameters.ranges(r).get(0).end());
        }
        return starts;
    }

    private float[] hostArray(Tensor flat) {
        if (inPlace && flat.offset() != 0) {
            throw new IllegalArgumentException(flat + " does not start its array");
        }
        return device.hostArray(flat).orElseGet(() -> new float[Math.toIntExact(flat.count())]);
    }

    @Override
    public String name() {
        return allReduce.name();
    }

    @Override
    public boolean onDevice() {
        return false;
    }

    @Override
    public void bucketReady(int index, Rounding rounding) {
        if (host == null) {
            return;
        }
        Range bucket = parameters.buckets().get(index);
        residual.ifPresent(left -> left.apply(rounding, bucket));
        if (inPlace && bucket.end() - submitted >= MIN_FLOATS) {
            submitUpTo(bucket.end(), rounding);
        }
    }

    private void submitUpTo(long end, Rounding rounding) {
        SumOrder rounded = rounding == Rounding.NONE ? order : SumOrder.byRank(allReduce.worldSize(), rounding);
        int from = Math.toIntExact(submitted);
        int length = Math.toIntExact(end - submitted);
        if (bounds == null) {
            allReduce.submit(rounded, host, from, length);
        } else {
            allReduce.submitScatter(rounded, host, from, length, bounds);
        }
        submitted = end;
    }

    @Override
    public void finish(Rounding rounding) {
        if (host == null) {
            return;
        }
        if (inPlace) {
            submitUpTo(parameters.count(), rounding);
        } else {
            parameters.buckets().forEach(bucket -> stage(bucket, rounding));
        }
        long began = System.nanoTime();
        allReduce.await();
        waitedNanos = System.nanoTime() - began;
        submitted = 0;
        if (!inPlace) {
            uploadOwn(host[host.length - 1], parameters.gradients());
        }
    }

    /** Copies a bucket to the host; it travels while the next one is copied. */
    private void stage(Range bucket, Rounding rounding) {
        for (int i = 0; i < host.length; i++) {
            Tensor part = operands.get(i).slice(0, bucket.offset(), bucket.length());
            device.download(part, host[i], Math.toIntExact(bucket.offset()));
        }
        submitUpTo(bucket.end(), rounding);
    }

    @Override
    public long waitedNanos() {
        return waitedNanos;
    }

    private void uploadOwn(float[] flat, Tensor to) {
        float[] part = bounds == null ? flat : Arrays.copyOfRange(flat, (int) own.offset(), (int) own.end());
        device.upload(part, to.slice(0, own.offset(), own.length()));
    }

    /**
     * From the partial sums of all slices in their order. On the CPU they are the partial sums of one pass, so that the
     * weights have the bits of {@code train.zero: 0}; on a GPU the norm may differ from it in the last bit.
     */
    @Override
    public void clip(GradientClip clip) {
        Tensor slice = parameters.gradients().slice(0, own.offset(), own.length());
        double[][] squares = allReduce.allGather(clip.ops().squares(slice));
        double[] inOrder = Stream.of(squares).flatMapToDouble(DoubleStream::of).toArray();
        clip.ops().gradientNorm(inOrder, clip.maxNorm());
    }

    @Override
    public void updated(int index) {}

    @Override
    public void shareWeights() {
        Tensor working = parameters.working();
        if (inPlace) {
            gather(hostArray(working));
            return;
        }
        float[] staged = host[host.length - 1];
        device.download(parameters.master(own), staged, Math.toIntExact(own.offset()));
        gather(staged);
        // Rounded by the device, by way of the gradients, which are spent.
        device.upload(staged, parameters.gradients());
        device.ops().copy(parameters.gradients(), working);
    }

    private void gather(float[] weights) {
        long began = System.nanoTime();
        allReduce.allGather(weights, bounds);
        waitedNanos += System.nanoTime() - began;
    }

    @Override
    public Optional<float[]> collect(Tensor ofOwn) {
        boolean root = allReduce.rank() == 0;
        float[] whole = new float[root ? Math.toIntExact(parameters.count()) : 0];
        float[] part = new float[Math.toIntExact(own.length())];
        device.download(ofOwn, part);
        allReduce.gather(part, whole, bounds);
        return root ? Optional.of(whole) : Optional.empty();
    }
}
