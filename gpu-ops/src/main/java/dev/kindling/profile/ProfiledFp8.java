package dev.kindling.profile;

import dev.kindling.device.CrossEntropy;
import dev.kindling.device.Fp8Matmul;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Fp8Ops;
import dev.kindling.device.Gelu;
import dev.kindling.device.ResidualLayerNorm;
import dev.kindling.tensor.Tensor;
import java.util.List;
import java.util.Locale;

/** FP8 operations that report to a {@link Profiler}. */
record ProfiledFp8(Fp8Ops ops, Profiler profiler) implements Fp8Ops {
    @Override
    public void quantize(Tensor x, Fp8Matrix to) {
        profiler.time("fp8_quantize", () -> ops.quantize(x, to));
    }

    @Override
    public void quantize(List<Tensor> x, List<Fp8Matrix> to) {
        profiler.time("fp8_quantize of " + x.size(), () -> ops.quantize(x, to));
    }

    @Override
    public void gelu(Gelu op, Tensor x, Fp8Matrix y) {
        profiler.time("fp8_gelu", () -> ops.gelu(op, x, y));
    }

    @Override
    public void residualLayerNorm(ResidualLayerNorm op, Fp8Matrix y) {
        profiler.time("fp8_layernorm", () -> ops.residualLayerNorm(op, y));
    }

    @Override
    public void crossEntropyWithGradient(CrossEntropy op, Fp8Matrix dLogits) {
        profiler.time("fp8_cross_entropy", () -> ops.crossEntropyWithGradient(op, dLogits));
    }

    @Override
    public void matmul(Fp8Matmul op) {
        profiler.time(name("fp8_matmul", op.a(), op.b()), () -> ops.matmul(op));
    }

    @Override
    public void matmulGelu(Fp8Matrix.Operand a, Fp8Matrix.Operand b, Gelu op, Kept kept, Tensor to, Fp8Matrix y) {
        profiler.time(name("fp8_matmul_gelu", a, b), () -> ops.matmulGelu(a, b, op, kept, to, y));
    }

    @Override
    public void matmulGeluBackward(Fp8Matrix.Operand a, Fp8Matrix.Operand b, Tensor slope, Fp8Matrix dx, Tensor dBias) {
        profiler.time(name("fp8_matmul_gelu_backward", a, b), () -> ops.matmulGeluBackward(a, b, slope, dx, dBias));
    }

    private static String name(String op, Fp8Matrix.Operand a, Fp8Matrix.Operand b) {
        Tensor left = a.values();
        return String.format(
                Locale.ROOT,
                "%s (%d x %d x %d)",
                op,
                left.size(0),
                left.size(1),
                b.values().size(0));
    }

    @Override
    public void beginStep(Scales scales) {
        profiler.time("fp8_scales", () -> ops.beginStep(scales));
    }

    @Override
    public void endStep(Scales scales) {
        profiler.time("fp8_scales", () -> ops.endStep(scales));
    }
}
