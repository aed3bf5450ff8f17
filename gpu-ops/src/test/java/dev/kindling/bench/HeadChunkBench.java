package dev.kindling.bench;

import dev.kindling.device.CrossEntropy;
import dev.kindling.device.Device;
import dev.kindling.device.Matmul;
import dev.kindling.device.Precision;
import dev.kindling.device.StepInputs;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.function.IntConsumer;

/**
 * How the classifier's three products differ between one call and chunks of rows on the first GPU: values that are not the
 * same bits, the largest difference beside the largest value, and milliseconds of both. GPT-2's vocabulary; each size
 * "rows channels chunk" is one argument of the form 8192x1600x4096.
 */
public final class HeadChunkBench {
    private static final int VOCABULARY = 50_257;
    private static final int PADDED = 50_304;
    /** Rows that are compared at a time. */
    private static final int PIECE = 512;

    private final Device device;
    private final int rows;
    private final int chunk;
    private final Tensor x;
    private final Tensor table;
    private final Tensor targets;

    private HeadChunkBench(Device device, Arena arena, int rows, int channels, int chunk) {
        this.device = device;
        this.rows = rows;
        this.chunk = chunk;
        x = gaussian(arena, "x", 1, rows, channels);
        table = gaussian(arena, "table", 0.02, PADDED, channels);
        targets = arena.allocate("targets", DType.I32, rows);
        device.upload(new Random(5).ints(rows, 0, VOCABULARY).toArray(), targets);
    }

    private Tensor gaussian(Arena arena, String name, double deviation, int first, int second) {
        Tensor tensor = arena.allocate(name, DType.BF16, first, second);
        Random random = new Random(name.hashCode());
        float[] row = new float[second * 64];
        for (int at = 0; at < first; at += 64) {
            for (int i = 0; i < row.length; i++) {
                row[i] = (float) (deviation * random.nextGaussian());
            }
            device.upload(row, tensor.slice(0, at, 64));
        }
        return tensor;
    }

    public static void main(String[] args) {
        for (String size : args) {
            String[] parts = size.split("x");
            try (Device device = CudaDevice.open(0, Precision.BF16);
                    Arena arena = device.arena("bench")) {
                new HeadChunkBench(
                                device,
                                arena,
                                Integer.parseInt(parts[0]),
                                Integer.parseInt(parts[1]),
                                Integer.parseInt(parts[2]))
                        .compare(size, arena);
            }
        }
    }

    private void compare(String size, Arena arena) {
        device.setStep(new StepInputs(1, 0, 1, 1, 1, 1f / rows));
        Tensor whole = arena.allocate("logits", DType.BF16, rows, PADDED);
        Tensor other = arena.allocate("logits in chunks", DType.BF16, rows, PADDED);
        report(
                size + " logits",
                whole,
                other,
                (logits, rowsAtATime) -> inChunks(
                        rowsAtATime,
                        from -> device.ops()
                                .matmul(Matmul.of(
                                        part(x, from, rowsAtATime),
                                        table.transpose(0, 1),
                                        part(logits, from, rowsAtATime)))));
        Tensor losses = arena.allocate("losses", DType.F32, rows);
        device.ops().crossEntropyWithGradient(new CrossEntropy(whole, targets, VOCABULARY, losses));
        Tensor dx = arena.allocate("dx", DType.BF16, rows, x.size(1));
        Tensor dxOther = arena.allocate("dx in chunks", DType.BF16, rows, x.size(1));
        report(
                size + " dX",
                dx,
                dxOther,
                (to, rowsAtATime) -> inChunks(
                        rowsAtATime,
                        from -> device.ops()
                                .matmul(Matmul.of(
                                        part(whole, from, rowsAtATime), table, part(to, from, rowsAtATime)))));
        Tensor dw = arena.allocate("dw", DType.F32, PADDED, x.size(1));
        Tensor dwOther = arena.allocate("dw in chunks", DType.F32, PADDED, x.size(1));
        report(size + " dW", dw, dwOther, (to, rowsAtATime) -> {
            device.ops().fill(to, 0);
            inChunks(
                    rowsAtATime,
                    from -> device.ops()
                            .matmul(Matmul.of(
                                    part(whole, from, rowsAtATime).transpose(0, 1),
                                    part(x, from, rowsAtATime),
                                    to,
                                    true)));
        });
    }

    private interface Product {
        void run(Tensor to, int rowsAtATime);
    }

    private void inChunks(int rowsAtATime, IntConsumer product) {
        for (int from = 0; from < rows; from += rowsAtATime) {
            product.accept(from);
        }
    }

    private Tensor part(Tensor all, int from, int length) {
        return all.slice(0, from, Math.min(length, rows - from));
    }

    private void report(String name, Tensor whole, Tensor other, Product product) {
        double[] millis = new double[2];
        for (int way : List.of(0, 1)) {
            Tensor to = way == 0 ? whole : other;
            int rowsAtATime = way == 0 ? rows : chunk;
            product.run(to, rowsAtATime);
            device.synchronize();
            long begin = System.nanoTime();
            for (int i = 0; i < 5; i++) {
                product.run(to, rowsAtATime);
            }
            device.synchronize();
            millis[way] = (System.nanoTime() - begin) / 5e6;
        }
        long different = 0;
        float most = 0;
        float largest = 0;
        float[] a = new float[PIECE * whole.size(1)];
        float[] b = new float[a.length];
        int compared = 0;
        for (int at = 0; at + PIECE <= whole.size(0); at += 3 * PIECE) { // a third of all
            device.download(whole.slice(0, at, PIECE), a);
            device.download(other.slice(0, at, PIECE), b);
            for (int i = 0; i < a.length; i++) {
                different += Float.floatToRawIntBits(a[i]) == Float.floatToRawIntBits(b[i]) ? 0 : 1;
                most = Math.max(most, Math.abs(a[i] - b[i]));
                largest = Math.max(largest, Math.abs(a[i]));
            }
            compared += PIECE;
        }
        System.out.printf(
                Locale.ROOT,
                "%-24s %,d of %,d differ, by %.3g at most of %.3g; whole %.3f ms, chunks %.3f ms%n",
                name,
                different,
                (long) compared * whole.size(1),
                most,
                largest,
                millis[0],
                millis[1]);
    }
}
