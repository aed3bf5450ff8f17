package dev.kindling.exchange;

import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Tensor;
import java.util.Optional;

/**
 * What {@code train.zero: 1} exchanges: after {@link #finish} the gradients are the sums over all ranks in {@link
 * dev.kindling.nn.Parameters#own} alone, which this rank updates and shares.
 */
public interface ZeroExchange extends GradientExchange {
    /** Finds norm and clip scale of the gradients of all ranks, the same on each. */
    void clip(GradientClip clip);

    /** This rank's update of one of {@link dev.kindling.nn.Parameters#own} is enqueued. */
    void updated(int index);

    /** All are: returns when the weights of all ranks are, or on the device will be, here. */
    void shareWeights();

    /**
     * What the ranks hold of their own weights each, in the layout of the flat buffers, on rank 0; empty on the others,
     * who call it together with it. The gradients are lost.
     *
     * @param own (own count) F32
     */
    Optional<float[]> collect(Tensor own);
}
