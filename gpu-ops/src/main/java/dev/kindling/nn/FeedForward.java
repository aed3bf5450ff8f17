package dev.kindling.nn;

import dev.kindling.tensor.Tensor;

/** A block's feed-forward layer: in the activation type, or in FP8. */
sealed interface FeedForward permits Mlp, Fp8Mlp {
    static FeedForward of(BlockContext context, String name) {
        return context.fp8() == null ? new Mlp(context, name) : new Fp8Mlp(context, name);
    }

    /** x, y (rows, C); overwrites y. */
    void forward(Tensor x, Tensor y);

    /** Computes what {@link #backward} needs from x (rows, C). */
    void recompute(Tensor x);

    /** Overwrites dx (rows, C). */
    void backward(Tensor x, Tensor dy, Tensor dx);
}
