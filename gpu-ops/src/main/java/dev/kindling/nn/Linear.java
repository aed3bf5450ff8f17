package dev.kindling.nn;

import dev.kindling.device.Fp8Matrix;
import dev.kindling.tensor.Tensor;

/**
 * A linear layer: y = x W + bias; backward dx = dy W^T, dW = or += x^T dy, dbias += column sums of dy.
 *
 * <p>The bias is optional. Where a neighbouring op adds it (into the residual stream, or before GELU), that op also
 * computes its gradient.
 */
sealed interface Linear permits DenseLinear, Fp8Linear {
    /** A linear layer without a bias of its own; if the model has one, the neighbouring op adds it. */
    static Linear withoutBias(BlockContext context, String name) {
        return context.fp8() == null
                ? DenseLinear.withoutBias(context.ops(), context.parameters(), name)
                : Fp8Linear.withoutBias(context, name);
    }

    static Linear withBias(BlockContext context, String name) {
        return context.fp8() == null
                ? DenseLinear.withBias(context.ops(), context.parameters(), name)
                : Fp8Linear.withBias(context, name);
    }

    /** Where x (M, K) may be put in FP8 before {@link #forward}; null if the layer is not in FP8. */
    Fp8Matrix input();

    /** x (M, K), or null where {@link #input} holds it; y (M, N); overwrites y. */
    void forward(Tensor x, Tensor y);

    /**
     * After {@link #forward} with the same x: overwrites dx (M, K) and adds to the gradient of the bias.
     *
     * @param accumulate whether to add to the weight's gradient, too, or to overwrite it
     */
    void backward(Tensor x, Tensor dy, Tensor dx, boolean accumulate);
}
