package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.optim.AdamW;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Tensor;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;

/**
 * {@code train.zero: 1}: every rank updates its own slice, then all get all. The global norm is made of the partial sums
 * of all slices in their order. On the CPU they are the partial sums of one pass, so that the weights have the bits of
 * {@code train.zero: 0}; on a GPU the norm may differ from it in the last bit.
 *
 * @param gradients this rank's slice
 */
record SlicedUpdate(GradientClip clip, AdamW adamW, Tensor gradients, AllReduce allReduce, GradientExchange exchange)
        implements WeightUpdate {
    @Override
    public void run() {
        double[][] squares = allReduce.allGather(clip.ops().squares(gradients));
        double[] inOrder = Stream.of(squares).flatMapToDouble(DoubleStream::of).toArray();
        clip.ops().gradientNorm(inOrder, clip.maxNorm());
        adamW.step();
        exchange.shareWeights();
    }

    @Override
    public boolean onDevice() {
        return false;
    }
}
