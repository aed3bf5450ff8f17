package dev.kindling.nn;

import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Matmul;
import dev.kindling.device.Ops;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Tensor;

/** A linear layer whose products are in the activation type. */
final class DenseLinear implements Linear {
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
    DenseLinear(Ops ops, Tensor weight, Tensor bias, Tensor dWeight, Tensor dBias) {
        this.ops = ops;
        this.weight = weight;
        this.bias = bias;
        this.dWeight = dWeight;
        this.dBias = dBias;
    }

    /** A linear layer without a bias of its own; if the model has one, the neighbouring op adds it. */
    static DenseLinear withoutBias(Ops ops, Parameters parameters, String name) {
        String weight = name + ".weight";
        return new DenseLinear(ops, parameters.weight(weight), null, parameters.gradient(weight), null);
    }

    static DenseLinear withBias(Ops ops, Parameters parameters, String name) {
        String weight = name + ".weight";
        String bias = name + ".bias";
        return new DenseLinear(
                ops,
                parameters.weight(weight),
                parameters.weight(bias),
                parameters.gradient(weight),
                parameters.gradient(bias));
    }

    @Override
    public Fp8Matrix input() {
        return null;
    }

    @Override
    public void forward(Tensor x, Tensor y) {
        ops.matmul(product(x, y));
    }

    /** The matrix product that {@link #forward} computes. */
    Matmul product(Tensor x, Tensor y) {
        return Matmul.of(x, weight, y).withBias(bias);
    }

    @Override
    public void backward(Tensor x, Tensor dy, Tensor dx, boolean accumulate) {
        gradients(x, dy, accumulate);
        ops.matmul(gradient(dy, dx));
    }

    /** Computes the gradients of weight and bias as {@link #backward} does, without dx. */
    void gradients(Tensor x, Tensor dy, boolean accumulate) {
        ops.matmul(Matmul.of(x.transpose(0, 1), dy, dWeight, accumulate));
        if (dBias != null) {
            ops.sumRows(dy, dBias);
        }
    }

    /** The matrix product that gives dx. */
    Matmul gradient(Tensor dy, Tensor dx) {
        return Matmul.of(dy, weight.transpose(0, 1), dx);
    }
}
