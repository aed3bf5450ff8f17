package dev.kindling.nn;

import dev.kindling.device.Matmul;
import dev.kindling.device.Ops;
import dev.kindling.tensor.Tensor;

/**
 * A linear layer: y = x W + bias; backward dx = dy W^T, dW += x^T dy, dbias += column sums of dy.
 *
 * <p>The bias is optional. Where a neighbouring op adds it (into the residual stream, or before GELU), that op also
 * computes its gradient.
 */
final class Linear {
    private final Ops ops;
    private final Tensor weight;
    private final Tensor bias;
    private final Tensor dWeight;
    private final Tensor dBias;

    /**
     * @param weight (K, N)
     * @param bias (N), or null
     * @param dWeight (K, N) F32, or null when not training
     * @param dBias (N) F32, or null
     */
    Linear(Ops ops, Tensor weight, Tensor bias, Tensor dWeight, Tensor dBias) {
        this.ops = ops;
        this.weight = weight;
        this.bias = bias;
        this.dWeight = dWeight;
        this.dBias = dBias;
    }

    /** A linear layer without a bias of its own; if the model has one, the neighbouring op adds it. */
    static Linear withoutBias(Ops ops, Parameters parameters, String name) {
        String weight = name + ".weight";
        return new Linear(ops, parameters.weight(weight), null, parameters.gradient(weight), null);
    }

    static Linear withBias(Ops ops, Parameters parameters, String name) {
        String weight = name + ".weight";
        String bias = name + ".bias";
        return new Linear(
                ops,
                parameters.weight(weight),
                parameters.weight(bias),
                parameters.gradient(weight),
                parameters.gradient(bias));
    }

    /** x (M, K), y (M, N); overwrites y. */
    void forward(Tensor x, Tensor y) {
        ops.matmul(product(x, y));
    }

    /** The matrix product that {@link #forward} computes. */
    Matmul product(Tensor x, Tensor y) {
        return Matmul.of(x, weight, y).withBias(bias);
    }

    /** Overwrites dx (M, K); accumulates the weight's gradient. */
    void backward(Tensor x, Tensor dy, Tensor dx) {
        accumulate(x, dy);
        ops.matmul(gradient(dy, dx));
    }

    /** Adds the gradients of weight and bias, without computing dx. */
    void accumulate(Tensor x, Tensor dy) {
        ops.matmul(Matmul.accumulating(x.transpose(0, 1), dy, dWeight));
        if (dBias != null) {
            ops.sumRows(dy, dBias);
        }
    }

    /** The matrix product that gives dx. */
    Matmul gradient(Tensor dy, Tensor dx) {
        return Matmul.of(dy, weight.transpose(0, 1), dx);
    }
}
