package dev.kindling.bench;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.kindling.device.cpu.matmul.CpuMatmul;
import dev.kindling.device.cpu.matmul.MatmulCall;
import dev.kindling.device.cpu.matmul.MatmulCalls;
import dev.kindling.device.cpu.matmul.MatrixView;
import dev.kindling.device.cpu.matmul.OneDnnBf16Matmul;
import dev.kindling.device.cpu.matmul.OneDnnMatmul;
import dev.kindling.device.cpu.matmul.VectorMatmul;
import dev.kindling.device.cpu.rows.CpuThreads;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * GFLOP/s of the CPU's matrix products on the shapes of a training step, beside PyTorch's on the same machine. Candidates
 * take turns within every round; the median of the rounds is printed. Arguments: {@code small} (768 tokens, width 128) or
 * {@code large} (2048 tokens, width 384), then numbers of threads.
 *
 * <p>Run with {@code --add-modules=jdk.incubator.vector} and the test class path. Columns: y = x W is forward, dX = dy W^T,
 * dW = x^T dy.
 */
public final class MatmulBench {
    private static final int ROUNDS = 5;
    private static final double ROUND_FLOPS = 4e9;

    private record Product(String name, int m, int n, int k, boolean transposeA, boolean transposeB) {
        double flops() {
            return 2.0 * m * n * k;
        }
    }

    /** Something that computes one product again and again. */
    private interface Candidate {
        String name();

        void run();

        /** C, row-major. */
        float[] result();
    }

    private MatmulBench() {}

    public static void main(String[] args) {
        boolean large = args.length > 0 && "large".equals(args[0]);
        int[] counts = args.length > 1
                ? Arrays.stream(args).skip(1).mapToInt(Integer::parseInt).toArray()
                : new int[] {1, 2};
        System.out.printf(
                "PyTorch %s, JDK %s, %d CPUs; median of %d interleaved rounds, GFLOP/s%n",
                PyTorch.load(), Runtime.version(), Runtime.getRuntime().availableProcessors(), ROUNDS);
        OneDnnBf16Matmul.whyNot().ifPresent(reason -> System.out.println("without oneDNN bf16: " + reason));
        for (int count : counts) {
            measure(large, count);
        }
    }

    private static List<Product> products(boolean large) {
        int tokens = large ? 2048 : 768;
        int width = large ? 384 : 128;
        int[][] layers = {{width, 3 * width}, {width, width}, {width, 4 * width}, {4 * width, width}, {width, 65}};
        List<Product> products = new ArrayList<>();
        for (int[] layer : layers) {
            int in = layer[0];
            int out = layer[1];
            String shape = in + "->" + out;
            products.add(new Product("y  " + shape, tokens, out, in, false, false));
            products.add(new Product("dX " + shape, tokens, in, out, false, true));
            products.add(new Product("dW " + shape, in, out, tokens, true, false));
        }
        return products;
    }

    private static void measure(boolean large, int count) {
        Map<String, Double> seconds = new LinkedHashMap<>();
        double flops = 0;
        try (CpuThreads threads = new CpuThreads(count);
                NDManager manager = PyTorch.manager()) {
            Map<String, CpuMatmul> ours = ours(threads);
            System.out.printf("%n%d thread(s)%n%-16s %12s", count, "", "PyTorch");
            ours.keySet().forEach(name -> System.out.printf(" %12s", name));
            System.out.println();
            for (Product product : products(large)) {
                List<Candidate> candidates = candidates(product, ours, manager);
                double[] times = times(candidates, product, count);
                System.out.printf("%-16s", product.name());
                for (int i = 0; i < times.length; i++) {
                    System.out.printf(" %12.1f", product.flops() / times[i] / 1e9);
                    seconds.merge(candidates.get(i).name(), times[i], Double::sum);
                }
                System.out.println();
                flops += product.flops();
            }
            System.out.printf("%-16s", "all, once each");
            for (double total : seconds.values()) {
                System.out.printf(" %12.1f", flops / total / 1e9);
            }
            System.out.println();
            ours.values().forEach(CpuMatmul::close);
        }
    }

    /** What can run here, by name. */
    private static Map<String, CpuMatmul> ours(CpuThreads threads) {
        Map<String, CpuMatmul> ours = new LinkedHashMap<>();
        ours.put("vector", new VectorMatmul(threads));
        if (OneDnnMatmul.whyNot().isEmpty()) {
            ours.put("oneDNN", new OneDnnMatmul(threads, new VectorMatmul(threads)));
        }
        if (OneDnnBf16Matmul.whyNot().isEmpty()) {
            ours.put("oneDNN bf16", new OneDnnBf16Matmul(threads, new VectorMatmul(threads)));
        }
        return ours;
    }

    private static List<Candidate> candidates(Product product, Map<String, CpuMatmul> ours, NDManager manager) {
        float[] a = gaussian(product.m() * product.k(), 1);
        float[] b = gaussian(product.k() * product.n(), 2);
        List<Candidate> candidates = new ArrayList<>();
        candidates.add(new Theirs(product, a, b, manager));
        ours.forEach((name, matmul) -> candidates.add(new Ours(name, matmul, call(product, a, b))));
        return candidates;
    }

    private static MatmulCall call(Product product, float[] a, float[] b) {
        int lda = product.transposeA() ? product.m() : product.k();
        int ldb = product.transposeB() ? product.k() : product.n();
        return MatmulCalls.product(
                product.m(),
                product.n(),
                product.k(),
                new MatrixView(a, 0, lda, product.transposeA()),
                new MatrixView(b, 0, ldb, product.transposeB()),
                MatrixView.of(new float[product.m() * product.n()], 0, product.n()));
    }

    /** Verifies the candidates against each other, warms them up, and gives the median seconds of a product each. */
    private static double[] times(List<Candidate> candidates, Product product, int count) {
        int repeats = Math.max(3, (int) (ROUND_FLOPS / product.flops()));
        double[][] rounds = new double[candidates.size()][ROUNDS];
        for (int round = -1; round < ROUNDS; round++) {
            for (int i = 0; i < candidates.size(); i++) {
                PyTorch.threads(candidates.get(i) instanceof Theirs ? count : 1);
                long start = System.nanoTime();
                for (int repeat = 0; repeat < repeats; repeat++) {
                    candidates.get(i).run();
                }
                if (round >= 0) {
                    rounds[i][round] = (System.nanoTime() - start) / 1e9 / repeats;
                }
            }
            if (round < 0) {
                verify(candidates, product);
            }
        }
        return Arrays.stream(rounds).mapToDouble(MatmulBench::median).toArray();
    }

    private static void verify(List<Candidate> candidates, Product product) {
        float[] expected = candidates.get(0).result();
        for (Candidate candidate : candidates) {
            float[] actual = candidate.result();
            double worst = 0;
            for (int i = 0; i < expected.length; i++) {
                worst = Math.max(worst, Math.abs(actual[i] - expected[i]) / Math.sqrt(product.k()));
            }
            double allowed = candidate.name().endsWith("bf16") ? 0.03 : 1e-4;
            if (!(worst < allowed)) {
                throw new IllegalStateException(candidate.name() + " is wrong by " + worst + " on " + product);
            }
        }
    }

    private record Ours(String name, CpuMatmul matmul, MatmulCall call) implements Candidate {
        @Override
        public void run() {
            matmul.multiply(call);
        }

        @Override
        public float[] result() {
            return call.c().values();
        }
    }

    private static final class Theirs implements Candidate {
        private final NDArray a;
        private final NDArray b;
        private float[] result;

        Theirs(Product product, float[] a, float[] b, NDManager manager) {
            this.a = view(manager, a, product.m(), product.k(), product.transposeA());
            this.b = view(manager, b, product.k(), product.n(), product.transposeB());
        }

        private static NDArray view(NDManager manager, float[] values, int rows, int columns, boolean transposed) {
            return transposed
                    ? manager.create(values, new Shape(columns, rows)).transpose()
                    : manager.create(values, new Shape(rows, columns));
        }

        @Override
        public String name() {
            return "pytorch";
        }

        @Override
        public void run() {
            try (NDArray c = a.matMul(b)) {
                if (result == null) {
                    result = c.toFloatArray();
                }
            }
        }

        @Override
        public float[] result() {
            return result;
        }
    }

    private static float[] gaussian(int count, int seed) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }
}
