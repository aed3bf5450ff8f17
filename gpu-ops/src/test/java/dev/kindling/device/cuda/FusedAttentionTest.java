package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionInputs.Gradients;
import dev.kindling.device.Dropout;
import dev.kindling.device.FusedAttention;
import dev.kindling.device.Matmul;
import dev.kindling.device.Precision;
import dev.kindling.device.StepInputs;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** FLASH and EFFICIENT against MATH in fp32 on the same GPU: outputs and gradients, dropout, masks, odd lengths. */
class FusedAttentionTest {
    private final Random random = new Random(11);
    private CudaDevice device;
    private Arena arena;

    private void open(boolean wgmma) {
        Gpu.require();
        CudaDevice.Options options = CudaDevice.Options.of(Precision.FP32);
        device = CudaDevice.open(0, wgmma ? options : Gpu.withoutWgmma(options));
        arena = device.arena("test");
        device.setStep(new StepInputs(99, 3, 1, 1, 1, 1));
    }

    @AfterEach
    void close() {
        if (device != null) {
            device.close();
        }
    }

    @ParameterizedTest(name = "{0} {1} B{2} H{3} Tq{4} Tk{5} D{6} Dv{7} causal {8} dropout {9} mask {10}")
    @CsvSource({
        "flash, BF16, 2, 3, 129, 129, 64, 64, true, 0, NONE",
        "flash, BF16, 2, 3, 129, 129, 64, 64, true, 0.2, NONE",
        "flash without wgmma, BF16, 2, 3, 129, 129, 64, 64, true, 0, NONE",
        "flash without wgmma, BF16, 2, 3, 129, 129, 64, 64, true, 0.2, NONE",
        "flash, BF16, 64, 6, 256, 256, 64, 64, true, 0.2, NONE",
        "flash without wgmma, BF16, 64, 6, 256, 256, 64, 64, true, 0.2, NONE",
        "flash, BF16, 1, 2, 65, 200, 32, 32, true, 0.2, NONE",
        // Long sequences: dq summed in turns, over more key tiles than multiprocessors, and rows that see none of them.
        "flash, BF16, 4, 3, 2300, 2000, 64, 64, true, 0, NONE",
        "flash, BF16, 1, 2, 2049, 2060, 64, 64, true, 0.2, NONE",
        "flash, F16, 1, 2, 2048, 900, 32, 32, false, 0, NONE",
        "flash, BF16, 1, 3, 300, 700, 128, 128, false, 0, NONE",
        "flash, F16, 2, 2, 127, 63, 128, 128, false, 0, NONE",
        "flash, BF16, 2, 2, 300, 300, 128, 128, true, 0, NONE",
        "flash without wgmma, BF16, 2, 2, 300, 300, 128, 128, true, 0, NONE",
        "flash, BF16, 1, 2, 129, 200, 128, 128, true, 0.2, NONE",
        "flash, BF16, 2, 2, 300, 300, 80, 80, true, 0, NONE",
        "flash, F16, 2, 3, 129, 257, 96, 96, true, 0.2, NONE",
        "flash, BF16, 1, 2, 1000, 1000, 96, 96, false, 0, NONE",
        "flash, BF16, 2, 2, 300, 300, 256, 256, true, 0, NONE",
        "flash, F16, 1, 3, 127, 63, 256, 256, false, 0.2, NONE",
        "flash, BF16, 1, 1, 1000, 1024, 256, 256, true, 0, NONE",
        "efficient, F32, 2, 3, 65, 65, 64, 64, true, 0, NONE",
        "efficient, F32, 1, 2, 4096, 4096, 64, 64, true, 0, NONE",
        "efficient, F32, 1, 2, 63, 129, 32, 64, false, 0.2, BOOL",
        "efficient, BF16, 2, 2, 127, 64, 64, 32, false, 0, F32",
        "efficient, F32, 2, 2, 64, 100, 40, 40, false, 0.1, F32"
    })
    void agreesWithMath(
            String backend,
            DType type,
            int b,
            int h,
            int tq,
            int tk,
            int d,
            int dv,
            boolean causal,
            float p,
            String mask) {
        open(!backend.endsWith("without wgmma"));
        Tensor q = rounded(type, b, h, tq, d);
        Tensor k = rounded(type, b, h, tk, d);
        Tensor v = rounded(type, b, h, tk, dv);
        Tensor dOut = rounded(type, b, h, tq, dv);
        Tensor maskTensor = mask.equals("NONE") ? null : mask(DType.valueOf(mask), h, tq, tk);
        AttentionInputs exact = new AttentionInputs(q, k, v, maskTensor, null, causal, 0.3f, new Dropout(p, 2));
        Tensor[] wanted = math(exact, dOut);
        AttentionInputs inputs = new AttentionInputs(
                cast(type, q), cast(type, k), cast(type, v), maskTensor, null, causal, 0.3f, exact.dropout());
        FusedAttention fused = backend.startsWith("flash")
                ? device.ops().flash()
                : device.ops().efficient();
        assertThat(fused.whyNot(inputs.shape())).isEmpty();
        Tensor out = poisoned(type, b, h, tq, dv);
        Tensor saved = poisoned(DType.F32, fused.saved(inputs));
        fused.forward(inputs, out, saved);
        Gradients g = new Gradients(
                cast(type, dOut),
                poisoned(type, b, h, tq, d),
                poisoned(type, b, h, tk, d),
                poisoned(type, b, h, tk, dv));
        fused.backward(inputs, out, saved, g);
        double limit = type == DType.F32 ? 5e-6 : 1e-2;
        assertClose("out", out, wanted[0], limit);
        assertClose("dQuery", g.dQuery(), wanted[1], 2 * limit);
        assertClose("dKey", g.dKey(), wanted[2], 2 * limit);
        assertClose("dValue", g.dValue(), wanted[3], 2 * limit);
    }

    private Tensor[] math(AttentionInputs in, Tensor dOut) {
        int b = in.query().size(0);
        int h = in.query().size(1);
        int tq = in.query().size(2);
        int tk = in.key().size(2);
        Tensor p = poisoned(DType.F32, b, h, tq, tk);
        Tensor dropped = in.dropout().active() ? poisoned(DType.F32, b, h, tq, tk) : null;
        device.ops().matmul(Matmul.of(in.query(), in.key().transpose(2, 3), p));
        device.ops().attentionSoftmax(in, p, dropped);
        Tensor used = dropped == null ? p : dropped;
        Tensor out = poisoned(DType.F32, b, h, tq, in.value().size(3));
        device.ops().matmul(Matmul.of(used, in.value(), out));
        Tensor dScores = poisoned(DType.F32, b, h, tq, tk);
        device.ops().matmul(Matmul.of(dOut, in.value().transpose(2, 3), dScores));
        device.ops().attentionSoftmaxBackward(in, p, dScores);
        Tensor dq = poisoned(DType.F32, b, h, tq, in.query().size(3));
        Tensor dk = poisoned(DType.F32, b, h, tk, in.query().size(3));
        Tensor dv = poisoned(DType.F32, b, h, tk, in.value().size(3));
        device.ops().matmul(Matmul.of(dScores, in.key(), dq));
        device.ops().matmul(Matmul.of(dScores.transpose(2, 3), in.query(), dk));
        device.ops().matmul(Matmul.of(used.transpose(2, 3), dOut, dv));
        return new Tensor[] {out, dq, dk, dv};
    }

    private Tensor poisoned(DType type, long... extents) {
        return poisoned(type, Shape.of(extents));
    }

    private Tensor poisoned(DType type, Shape shape) {
        Tensor x = arena.allocate("poisoned", type, shape);
        device.ops().fill(x, Float.NaN);
        return x;
    }

    /** Random values in F32 that {@code type} holds exactly. */
    private Tensor rounded(DType type, long... extents) {
        Tensor x = arena.allocate("x", DType.F32, extents);
        float[] values = new float[Math.toIntExact(x.count())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        device.upload(values, x);
        Tensor half = cast(type, x);
        device.ops().copy(half, x);
        return x;
    }

    /** Broadcast over the batch; the second row sees nothing. */
    private Tensor mask(DType type, int h, int tq, int tk) {
        Tensor mask = arena.allocate("mask", type, 1, h, tq, tk);
        float[] values = new float[Math.toIntExact(mask.count())];
        for (int i = 0; i < values.length; i++) {
            boolean seen = random.nextInt(4) > 0 && i / tk % tq != 1;
            values[i] = type == DType.BOOL ? (seen ? 1 : 0) : seen ? random.nextInt(9) / 4f : Float.NEGATIVE_INFINITY;
        }
        device.upload(values, mask);
        return mask;
    }

    private Tensor cast(DType type, Tensor x) {
        Tensor y = arena.allocate("cast", type, x.shape());
        device.ops().copy(x, y);
        return y;
    }

    private void assertClose(String what, Tensor actual, Tensor expected, double limit) {
        float[] got = new float[Math.toIntExact(actual.count())];
        float[] wanted = new float[got.length];
        device.download(actual, got);
        device.download(expected, wanted);
        double error = 0;
        double norm = 0;
        for (int i = 0; i < got.length; i++) {
            error += Math.pow(got[i] - wanted[i], 2);
            norm += Math.pow(wanted[i], 2);
        }
        assertThat(Math.sqrt(error / norm)).as("relative error of " + what).isLessThan(limit);
    }
}
