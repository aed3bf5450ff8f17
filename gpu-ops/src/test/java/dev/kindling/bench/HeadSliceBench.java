package dev.kindling.bench;

import dev.kindling.device.Device;
import dev.kindling.device.Matmul;
import dev.kindling.device.Precision;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.Locale;
import java.util.Random;
import java.util.stream.Collectors;

/**
 * What it costs to work slice by slice ({@code Activations.HEAD_SLICE}): milliseconds of the classifier's three products on the
 * first GPU, whole and in slices of rows, in turns, bf16, GPT-2's vocabulary. Arguments: slices such as {@code 8192,4096}, then
 * sizes, "rows x channels" of the form 32768x768.
 */
public final class HeadSliceBench {
    private static final int PADDED = 50_304;
    private static final int ROUNDS = 7;
    private static final int REPEATS = 4;

    private final Device device;
    private final int rows;
    private final Tensor x;
    private final Tensor dx;
    private final Tensor table;
    private final Tensor dTable;
    private final Tensor logits;

    private HeadSliceBench(Device device, Arena arena, int rows, int channels) {
        this.device = device;
        this.rows = rows;
        x = random(arena, "x", rows, channels);
        dx = arena.allocate("dx", DType.BF16, rows, channels);
        table = random(arena, "table", PADDED, channels);
        dTable = arena.allocate("dtable", DType.F32, PADDED, channels);
        logits = arena.allocate("logits", DType.BF16, rows, PADDED);
        device.ops().fill(dTable, 0);
    }

    private Tensor random(Arena arena, String name, int first, int second) {
        Tensor tensor = arena.allocate(name, DType.BF16, first, second);
        Random random = new Random(name.hashCode());
        float[] values = new float[first * second];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextFloat() - 0.5f;
        }
        device.upload(values, tensor);
        return tensor;
    }

    public static void main(String[] args) {
        int[] slices =
                Arrays.stream(args[0].split(",")).mapToInt(Integer::parseInt).toArray();
        for (String size : Arrays.asList(args).subList(1, args.length)) {
            int[] extents =
                    Arrays.stream(size.split("x")).mapToInt(Integer::parseInt).toArray();
            try (Device device = CudaDevice.open(0, Precision.BF16);
                    Arena arena = device.arena("bench")) {
                HeadSliceBench bench = new HeadSliceBench(device, arena, extents[0], extents[1]);
                bench.compare(size + " logits", slices, bench::makeLogits);
                bench.compare(size + " dX", slices, bench::makeDx);
                bench.compare(size + " dW", slices, bench::makeDw);
            }
        }
    }

    private interface Product {
        void run(int from, int length);
    }

    private void makeLogits(int from, int length) {
        device.ops().matmul(Matmul.of(x.slice(0, from, length), table.transpose(0, 1), logits.slice(0, from, length)));
    }

    private void makeDx(int from, int length) {
        device.ops().matmul(Matmul.of(logits.slice(0, from, length), table, dx.slice(0, from, length)));
    }

    private void makeDw(int from, int length) {
        device.ops()
                .matmul(Matmul.of(
                        logits.slice(0, from, length).transpose(0, 1), x.slice(0, from, length), dTable, from > 0));
    }

    private void compare(String name, int[] slices, Product product) {
        int[] ways = new int[slices.length + 1];
        ways[0] = rows;
        System.arraycopy(slices, 0, ways, 1, slices.length);
        double[][] millis = new double[ways.length][ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            for (int way = 0; way < ways.length; way++) {
                millis[way][round] = time(product, ways[way]);
            }
        }
        System.out.printf(
                Locale.ROOT,
                "%-20s%s%n",
                name,
                Arrays.stream(millis)
                        .map(each -> Arrays.stream(each).skip(1).sorted().toArray()[(ROUNDS - 1) / 2])
                        .map(median -> String.format(Locale.ROOT, "  %.3f ms", median))
                        .collect(Collectors.joining()));
    }

    private double time(Product product, int slice) {
        device.synchronize();
        long begin = System.nanoTime();
        for (int i = 0; i < REPEATS; i++) {
            for (int from = 0; from < rows; from += slice) {
                product.run(from, Math.min(slice, rows - from));
            }
        }
        device.synchronize();
        return (System.nanoTime() - begin) / 1e6 / REPEATS;
    }
}
