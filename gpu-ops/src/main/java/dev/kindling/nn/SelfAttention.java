package dev.kindling.nn;

import dev.kindling.device.Fp8Matrix;
import dev.kindling.tensor.Tensor;

/** A block's attention layer: over whole sequences, or of one new token per sequence with a cache. */
sealed interface SelfAttention permits CausalSelfAttention, CachedSelfAttention {
    /** Where x (rows, C) is expected in FP8, and is then null in the calls below; null if it is not. */
    Fp8Matrix input();

    /** x, y (rows, C); overwrites y. */
    void forward(Tensor x, Tensor y);

    /** Overwrites dx (rows, C); {@code accumulate} as in {@link Linear#backward}. */
    void backward(Tensor x, Tensor dy, Tensor dx, boolean accumulate);
}
