package dev.kindling.device.cuda;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.Dropout;
import dev.kindling.device.Fp8Matmul;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Fp8Ops;
import dev.kindling.device.Gelu;
import dev.kindling.device.Matmul;
import dev.kindling.device.Precision;
import dev.kindling.device.Replay;
import dev.kindling.device.Stopwatch;
import dev.kindling.device.cuda.library.CudaLibraries;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Random;

/** Times of matrix products, attention and launches on the first GPU, over random data; a main program. With the argument fp8, of FP8 alone. */
public final class CudaBenchmark {
    private static final int ROWS = 32 * 1024;

    private final CudaDevice device;

    private CudaBenchmark(CudaDevice device) {
        this.device = device;
    }

    public static void main(String[] arguments) {
        long start = System.nanoTime();
        boolean hopper = CudaDevice.devices().get(0).compute() == 90;
        try (CudaDevice device = CudaDevice.open(0, hopper ? Precision.FP8 : Precision.BF16)) {
            System.out.printf(
                    "%s opened in %d ms; %s%n",
                    device.description(), (System.nanoTime() - start) / 1_000_000, CudaLibraries.load());
            CudaBenchmark benchmark = new CudaBenchmark(device);
            if (arguments.length == 0) {
                benchmark.sixteenBits();
            }
            if (device.precision() == Precision.FP8) {
                benchmark.fp8("qkv", ROWS, 768, 2304);
                benchmark.fp8("proj", ROWS, 768, 768);
                benchmark.fp8("fc", ROWS, 768, 3072);
                benchmark.fp8("fcproj", ROWS, 3072, 768);
                benchmark.fp8("lm_head", ROWS, 768, 50304);
            }
        }
    }

    private void sixteenBits() {
        launches();
        products("qkv", ROWS, 768, 2304);
        products("proj", ROWS, 768, 768);
        products("fc", ROWS, 768, 3072);
        products("fcproj", ROWS, 3072, 768);
        products("lm_head", ROWS, 768, 50304);
        products("square", 8192, 8192, 8192);
        attention(32, 12, 1024, 64, DType.BF16, true);
        attention(32, 32, 1024, 32, DType.F16, false);
    }

    private Tensor random(Arena arena, DType type, long... extents) {
        Tensor x = arena.allocate("x", type, extents);
        Random random = new Random(1);
        float[] values = new float[1 << 20];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        Tensor flat = x.reshape(x.count());
        for (long at = 0; at < x.count(); at += values.length) {
            int count = (int) Math.min(values.length, x.count() - at);
            float[] part = count == values.length ? values : java.util.Arrays.copyOf(values, count);
            device.upload(part, flat.slice(0, at, count));
        }
        return x;
    }

    private double millis(Runnable work) {
        for (int i = 0; i < 5; i++) {
            work.run();
        }
        double best = Double.MAX_VALUE;
        try (Stopwatch stopwatch = device.stopwatch()) {
            for (int i = 0; i < 5; i++) {
                stopwatch.mark();
                for (int j = 0; j < 10; j++) {
                    work.run();
                }
                stopwatch.mark();
                best = Math.min(best, stopwatch.readMicros()[1] / 1e3);
            }
        }
        return best / 10;
    }

    private void launches() {
        try (Arena arena = device.arena("launches")) {
            Tensor x = random(arena, DType.F32, 256);
            Tensor sum = random(arena, DType.F32, 256);
            Runnable thousand = () -> {
                for (int i = 0; i < 1000; i++) {
                    device.ops().add(x, sum);
                }
            };
            double eager = millis(thousand);
            try (Replay replay = device.capture(thousand)) {
                System.out.printf("launch: eager %.2f us, in a graph %.2f us%n", eager, millis(replay::run));
            }
        }
    }

    private void products(String name, int rows, int in, int out) {
        try (Arena arena = device.arena(name)) {
            Tensor x = random(arena, DType.BF16, rows, in);
            Tensor w = random(arena, DType.BF16, out, in);
            Tensor y = random(arena, DType.BF16, rows, out);
            Tensor dx = arena.allocate("dx", DType.BF16, rows, in);
            Tensor dw = random(arena, DType.F32, out, in);
            double forward = millis(() -> device.ops().matmul(Matmul.of(x, w.transpose(0, 1), y)));
            double back = millis(() -> device.ops().matmul(Matmul.of(y, w, dx)));
            double weight = millis(() -> device.ops().matmul(Matmul.of(y.transpose(0, 1), x, dw, true)));
            double teraflop = 2e-9 * rows * in * out;
            System.out.printf(
                    "%s %d x %d x %d: forward %.3f ms, dX %.3f, dW (fp32 +=) %.3f; %.0f, %.0f, %.0f TFLOP/s%n",
                    name, rows, in, out, forward, back, weight, teraflop / forward, teraflop / back, teraflop / weight);
        }
    }

    /** Products of FP8 operands, and making those. */
    private void fp8(String name, int rows, int in, int out) {
        try (Arena arena = device.arena(name)) {
            Fp8Ops ops = device.ops().fp8();
            Tensor x = random(arena, DType.BF16, rows, in);
            Tensor y = random(arena, DType.BF16, rows, out);
            Tensor w = random(arena, DType.BF16, in, out);
            Tensor dw = random(arena, DType.F32, in, out);
            Fp8Matrix x8 = fp8(arena, DType.E4M3, rows, in);
            Fp8Matrix y8 = fp8(arena, DType.E5M2, rows, out);
            Fp8Matrix z8 = fp8(arena, DType.E4M3, rows, out);
            Fp8Matrix dx8 = fp8(arena, DType.E5M2, rows, in);
            Fp8Matrix w8 = fp8(arena, DType.E4M3, in, out);
            double cast = millis(() -> ops.quantize(x, x8));
            double castGradient = millis(() -> ops.quantize(y, y8));
            double castWeight = millis(() -> ops.quantize(w, w8));
            Gelu gelu = new Gelu(Gelu.Form.ERF, null);
            double geluForward = millis(() -> ops.gelu(gelu, x, x8));
            double fused = millis(() -> ops.matmulGelu(x8.rows(), w8.columns(), gelu, Fp8Ops.Kept.SLOPE, y, z8));
            double fusedBackward = millis(() -> ops.matmulGeluBackward(dx8.rows(), w8.columns(), y, y8, null));
            double forward = millis(() -> ops.matmul(new Fp8Matmul(x8.rows(), w8.columns(), y, null, false, true)));
            double back = millis(() -> ops.matmul(new Fp8Matmul(y8.rows(), w8.rows(), x, null, false, false)));
            double weight = millis(() -> ops.matmul(new Fp8Matmul(x8.columns(), y8.columns(), dw, null, true, false)));
            System.out.printf(
                    "fp8 %s %d x %d x %d: forward %.0f us, dX %.0f, dW (fp32 +=) %.0f; casts of x %.0f, dy %.0f, w %.0f; gelu of x %.0f; forward and gelu %.0f, backward %.0f%n",
                    name,
                    rows,
                    in,
                    out,
                    1000 * forward,
                    1000 * back,
                    1000 * weight,
                    1000 * cast,
                    1000 * castGradient,
                    1000 * castWeight,
                    1000 * geluForward,
                    1000 * fused,
                    1000 * fusedBackward);
        }
    }

    private Fp8Matrix fp8(Arena arena, DType type, int rows, int columns) {
        Tensor numbers = arena.allocate("scale", DType.F32, 12);
        device.ops().fill(numbers, 1);
        return new Fp8Matrix(
                arena.allocate("values", type, rows, columns),
                arena.allocate("transposed", type, columns, rows),
                new Fp8Matrix.Scale(numbers.slice(0, 0, 1), numbers.slice(0, 4, 1), numbers.slice(0, 8, 1)));
    }

    private void attention(int b, int h, int t, int d, DType type, boolean causal) {
        try (Arena arena = device.arena("attention")) {
            Tensor qkv = random(arena, type, b, t, 3, h, d);
            Tensor q = qkv.select(2, 0).transpose(1, 2);
            Tensor k = qkv.select(2, 1).transpose(1, 2);
            Tensor v = qkv.select(2, 2).transpose(1, 2);
            Tensor out = random(arena, type, b, t, h, d).transpose(1, 2);
            Tensor lse = arena.allocate("lse", DType.F32, b, h, t);
            Tensor dqkv = arena.allocate("dqkv", type, b, t, 3, h, d);
            AttentionInputs inputs =
                    new AttentionInputs(q, k, v, null, null, causal, (float) (1 / Math.sqrt(d)), Dropout.NONE);
            AttentionInputs.Gradients g = new AttentionInputs.Gradients(
                    random(arena, type, b, t, h, d).transpose(1, 2),
                    dqkv.select(2, 0).transpose(1, 2),
                    dqkv.select(2, 1).transpose(1, 2),
                    dqkv.select(2, 2).transpose(1, 2));
            String what = "B%d H%d T%d D%d %s%s".formatted(b, h, t, d, type, causal ? " causal" : "");
            print(
                    "FLASH " + what,
                    () -> device.ops().flash().forward(inputs, out, lse),
                    () -> device.ops().flash().backward(inputs, out, lse, g));
            print(
                    "EFFICIENT " + what,
                    () -> device.ops().efficient().forward(inputs, out, lse),
                    () -> device.ops().efficient().backward(inputs, out, lse, g));
            Tensor p = arena.allocate("p", type, b, h, t, t);
            print(
                    "MATH " + what,
                    () -> {
                        device.ops().matmul(Matmul.of(q, k.transpose(2, 3), p));
                        device.ops().attentionSoftmax(inputs, p, null);
                        device.ops().matmul(Matmul.of(p, v, out));
                    },
                    null);
        }
    }

    private void print(String what, Runnable forward, Runnable backward) {
        double ahead = millis(forward);
        if (backward == null) {
            System.out.printf("%s: forward %.0f us%n", what, 1000 * ahead);
        } else {
            System.out.printf(
                    "%s: forward %.0f us, both %.0f us%n", what, 1000 * ahead, 1000 * (ahead + millis(backward)));
        }
    }
}
