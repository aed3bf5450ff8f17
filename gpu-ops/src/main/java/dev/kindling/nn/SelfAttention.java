package dev.kindling.nn;

import dev.kindling.tensor.Tensor;

/** A block's attention layer: over whole sequences, or of one new token per sequence with a cache. */
sealed interface SelfAttention permits CausalSelfAttention, CachedSelfAttention {
    /** x, y (rows, C); overwrites y. */
    void forward(Tensor x, Tensor y);

    /** Overwrites dx (rows, C). */
    void backward(Tensor x, Tensor dy, Tensor dx);
}
