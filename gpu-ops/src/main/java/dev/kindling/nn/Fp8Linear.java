package dev.kindling.nn;

import dev.kindling.device.Fp8Matmul;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Fp8Ops;
import dev.kindling.device.Gelu;
import dev.kindling.device.Ops;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;

/**
 * A linear layer whose products are in FP8: e4m3 for x and W, e5m2 for dy. Rounded beside its transpose, each serves both
 * products that it takes part in; x is kept rounded for backward.
 */
final class Fp8Linear implements Linear {
    private final Ops ops;
    private final Fp8Ops fp8;
    private final Tensor weight;
    private final Tensor bias;
    private final Tensor dWeight;
    private final Tensor dBias;
    private final Fp8Matrix roundedWeight;
    private final Fp8Matrix input;
    private final Fp8Matrix gradient;

    private Fp8Linear(BlockContext context, String name, boolean biased, boolean keepsInput) {
        Parameters parameters = context.parameters();
        ops = context.ops();
        fp8 = ops.fp8();
        weight = parameters.weight(name + ".weight");
        dWeight = parameters.gradient(name + ".weight");
        bias = biased ? parameters.weight(name + ".bias") : null;
        dBias = biased ? parameters.gradient(name + ".bias") : null;
        Fp8State state = context.fp8();
        Workspace workspace = context.workspace();
        long in = weight.size(0);
        long out = weight.size(1);
        long rows = context.shape().rows();
        roundedWeight = new Fp8Matrix(
                workspace.tensor(name + " in FP8", DType.E4M3, Shape.of(in, out)),
                workspace.tensor(name + " in FP8, transposed", DType.E4M3, Shape.of(out, in)),
                state.scale(DType.E4M3));
        state.roundEachStep(weight, roundedWeight);
        String module = name.substring(0, name.lastIndexOf('.'));
        String transposed = name.substring(module.length() + 1) + " input in FP8, transposed";
        input = new Fp8Matrix(
                workspace.tensor("input in FP8, " + in, DType.E4M3, Shape.of(rows, in)),
                keepsInput
                        ? workspace.kept(module, transposed, DType.E4M3, Shape.of(in, rows))
                        : workspace.tensor(transposed, DType.E4M3, Shape.of(in, rows)),
                state.scale(DType.E4M3));
        gradient = new Fp8Matrix(
                workspace.tensor("gradient in FP8, " + out, DType.E5M2, Shape.of(rows, out)),
                workspace.tensor("gradient in FP8, transposed, " + out, DType.E5M2, Shape.of(out, rows)),
                state.scale(DType.E5M2));
    }

    static Fp8Linear withoutBias(BlockContext context, String name) {
        return new Fp8Linear(context, name, false, true);
    }

    static Fp8Linear withBias(BlockContext context, String name) {
        return new Fp8Linear(context, name, true, true);
    }

    /** One without a bias that all layers share {@link #input} with, so that it must be made again for backward. */
    static Fp8Linear ofSharedInput(BlockContext context, String name) {
        return new Fp8Linear(context, name, false, false);
    }

    @Override
    public Fp8Matrix input() {
        return input;
    }

    @Override
    public void forward(Tensor x, Tensor y) {
        if (x != null) {
            fp8.quantize(x, input);
        }
        fp8.matmul(new Fp8Matmul(input.rows(), roundedWeight.columns(), y, bias, false, true));
    }

    /** y = gelu(x W + bias) in FP8, x (M, K) in {@link #input}; overwrites y and to (M, N), which takes what is {@code kept}. */
    void forwardGelu(Gelu gelu, Fp8Ops.Kept kept, Tensor to, Fp8Matrix y) {
        fp8.matmulGelu(input.rows(), roundedWeight.columns(), gelu, kept, to, y);
    }

    @Override
    public void backward(Tensor x, Tensor dy, Tensor dx, boolean accumulate) {
        fp8.quantize(dy, gradient);
        if (dBias != null) {
            ops.sumRows(dy, dBias);
        }
        backward(dx, accumulate);
    }

    /**
     * {@link #backward(Tensor, Tensor, Tensor, boolean)} where x = gelu(hidden + bias) with these slopes (M, K), without a bias of
     * this layer: overwrites dHidden (M, K) in FP8; dGeluBias (K) F32 += or null.
     */
    void backwardGelu(Tensor dy, Tensor slope, Fp8Matrix dHidden, Tensor dGeluBias, boolean accumulate) {
        fp8.quantize(dy, gradient);
        weightGradient(accumulate);
        fp8.matmulGeluBackward(gradient.rows(), roundedWeight.rows(), slope, dHidden, dGeluBias);
    }

    /** Where dy (M, N) is expected by {@link #backward(Tensor, boolean)}. */
    Fp8Matrix gradient() {
        return gradient;
    }

    /** The same as {@link #backward(Tensor, Tensor, Tensor, boolean)} where {@link #gradient} holds dy, without a bias's gradient. */
    void backward(Tensor dx, boolean accumulate) {
        weightGradient(accumulate);
        fp8.matmul(new Fp8Matmul(gradient.rows(), roundedWeight.rows(), dx, null, false, false));
    }

    private void weightGradient(boolean accumulate) {
        fp8.matmul(new Fp8Matmul(input.columns(), gradient.columns(), dWeight, null, accumulate, false));
    }
}
