package dev.kindling.nn;

import dev.kindling.device.Fp8Matrix;
import dev.kindling.tensor.Tensor;

/** A block's feed-forward layer: in the activation type, or in FP8. */
sealed interface FeedForward permits Mlp, Fp8Mlp {
    static FeedForward of(BlockContext context, String name) {
        return context.fp8() == null ? new Mlp(context, name) : new Fp8Mlp(context, name);
    }

    /** Where x (rows, C) is expected in FP8, and is then null in the calls below; null if it is not. */
    Fp8Matrix input();

    /** x, y (rows, C); overwrites y. */
    void forward(Tensor x, Tensor y);

    /** Computes what {@link #backward} needs from x (rows, C). */
    void recompute(Tensor x);

    /** Overwrites dx (rows, C); {@code accumulate} as in {@link Linear#backward}. */
    void backward(Tensor x, Tensor dy, Tensor dx, boolean accumulate);
}
