package dev.kindling.exchange;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.SumOrder;
import dev.kindling.device.Device;
import dev.kindling.model.FlatTarget;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.util.Optional;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * ZeRO over host memory: the sums are reduce-scattered, the updated weights all-gathered. Every rank owns one slice of the
 * flat buffers ({@link dev.kindling.nn.parameter.OptimizerShard.Cut#SLICES}).
 */
final class HostZeroExchange extends HostGradientExchange implements ZeroExchange {
    /** Floats of all ranks that are gathered at a time. */
    private static final int GATHERED = 1 << 24;

    private final Device device;
    private final AllReduce allReduce;
    private final Parameters parameters;
    private final Range own;
    /** Where the slice of each rank starts, and the end. */
    private final int[] bounds;

    HostZeroExchange(
            AllReduce allReduce,
            Gpt.DeviceArena memory,
            Parameters parameters,
            GradientSum sum,
            Optional<GradientResidual> residual) {
        super(allReduce, memory, parameters, sum, residual);
        device = memory.device();
        this.allReduce = allReduce;
        this.parameters = parameters;
        own = parameters.own().get(0);
        bounds = new int[allReduce.worldSize() + 1];
        for (int rank = 0; rank < allReduce.worldSize(); rank++) {
            bounds[rank + 1] = Math.toIntExact(parameters.ranges(rank).get(0).end());
        }
    }

    @Override
    void submit(SumOrder rounded, float[][] from, int offset, int length) {
        allReduce.submitScatter(rounded, from, offset, length, bounds);
    }

    @Override
    void upload(float[] sums, Tensor gradients) {
        device.upload(FloatBuffer.wrap(sums, (int) own.offset(), (int) own.length()), slice(gradients));
    }

    private Tensor slice(Tensor flat) {
        return flat.slice(0, own.offset(), own.length());
    }

    /**
     * From the partial sums of all slices in their order. On the CPU they are the partial sums of one pass, so that the
     * weights have the bits of {@code train.zero: 0}; on a GPU the norm may differ from it in the last bit.
     */
    @Override
    public void clip(GradientClip clip, Tensor gradients) {
        double[][] squares = allReduce.allGather(clip.ops().squares(slice(gradients)));
        double[] inOrder = Stream.of(squares).flatMapToDouble(DoubleStream::of).toArray();
        clip.ops().gradientNorm(inOrder, clip.maxNorm());
    }

    @Override
    public void shareWeights() {
        Tensor working = parameters.working();
        Optional<float[]> inHost = device.hostArray(working);
        if (inHost.isPresent()) {
            gather(inHost.get());
            return;
        }
        float[] weights = staged();
        device.download(parameters.master(own), FloatBuffer.wrap(weights, (int) own.offset(), (int) own.length()));
        gather(weights);
        // Rounded by the device, by way of the gradients, which are no longer needed.
        device.upload(weights, parameters.gradients());
        device.ops().copy(parameters.gradients(), working);
    }

    private void gather(float[] weights) {
        awaiting(() -> allReduce.allGather(weights, bounds));
    }

    /** The weights travel over the hosts, between the work of two parts of the device. */
    @Override
    public boolean updatesOnDevice() {
        return false;
    }

    @Override
    public void collect(Tensor ofOwn, Optional<FlatTarget> target) {
        int most = Math.max(1, GATHERED / allReduce.worldSize());
        for (int at = 0; at < longest(); at += most) {
            int[] pieces = new int[bounds.length];
            for (int r = 0; r < allReduce.worldSize(); r++) {
                pieces[r + 1] = pieces[r] + Math.min(most, Math.max(0, bounds[r + 1] - bounds[r] - at));
            }
            float[] part = new float[pieces[allReduce.rank() + 1] - pieces[allReduce.rank()]];
            device.download(ofOwn.slice(0, Math.min(at, own.length()), part.length), part);
            float[] all = new float[target.isPresent() ? pieces[allReduce.worldSize()] : 0];
            allReduce.gather(part, all, pieces);
            for (int r = 0; r < allReduce.worldSize() && target.isPresent(); r++) {
                FloatBuffer ofRank = FloatBuffer.wrap(all, pieces[r], pieces[r + 1] - pieces[r]);
                target.get().take((long) bounds[r] + at, ofRank);
            }
        }
    }

    /** The length of the longest slice. */
    private int longest() {
        return IntStream.range(0, allReduce.worldSize())
                .map(r -> bounds[r + 1] - bounds[r])
                .max()
                .orElseThrow();
    }
}
