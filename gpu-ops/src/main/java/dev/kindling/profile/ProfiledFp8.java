package dev.kindling.profile;

import dev.kindling.device.Fp8Matmul;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Fp8Ops;
import dev.kindling.device.Gelu;
import dev.kindling.tensor.Tensor;
import java.util.Locale;

/** FP8 operations that report to a {@link Profiler}. */
record ProfiledFp8(Fp8Ops ops, Profiler profiler) implements Fp8Ops {
    @Override
    public void quantize(Tensor x, Fp8Matrix to) {
        profiler.time("fp8_quantize", () -> ops.quantize(x, to));
    }

    @Override
    public void gelu(Gelu op, Tensor x, Fp8Matrix y) {
        profiler.time("fp8_gelu", () -> ops.gelu(op, x, y));
    }

    @Override
    public void geluBackward(Gelu op, Tensor x, Tensor dy, Fp8Matrix dx, Tensor dBias) {
        profiler.time("fp8_gelu_backward", () -> ops.geluBackward(op, x, dy, dx, dBias));
    }

    @Override
    public void matmul(Fp8Matmul op) {
        Tensor c = op.c();
        String name = String.format(
                Locale.ROOT,
                "fp8_matmul (%d x %d x %d)",
                c.size(0),
                op.a().values().size(1),
                c.size(1));
        profiler.time(name, () -> ops.matmul(op));
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
