package dev.kindling.bench;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.device.cpu.matmul.OneDnnBf16Matmul;
import dev.kindling.nn.parameter.GptConfig;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Milliseconds per training step (forward, backward, clip, AdamW) on the CPU, beside PyTorch's in the same run where DJL
 * is on the class path ({@code cpu_step_peer.py} is the peer elsewhere). Candidates take turns within every round; medians
 * are printed, of BF16 where the CPU has it. Arguments: {@code cpu} (4 layers, width 128, block 64, batch 12) or {@code
 * gpu} (6 layers, width 384, block 256, batch 8), then numbers of threads. Each device says by which instruction set it
 * multiplies.
 *
 * <p>Run with {@code --add-modules=jdk.incubator.vector} and the test class path.
 */
public final class StepBench {
    private static final int ROUNDS = 5;

    private StepBench() {}

    public static void main(String[] args) throws Exception {
        PyTorchPeer.Config config =
                args.length > 0 && args[0].equals("gpu") ? PyTorchPeer.Config.gpu() : PyTorchPeer.Config.cpu();
        int[] counts = args.length > 1
                ? Arrays.stream(args).skip(1).mapToInt(Integer::parseInt).toArray()
                : new int[] {1, 2};
        int stepsPerRound = config.nEmbd() > 128 ? 1 : 20;
        System.out.printf(
                "%s; PyTorch %s, JDK %s, %d CPUs; median of %d interleaved rounds, ms per step%n",
                config,
                PyTorch.present() ? PyTorch.load() : "absent",
                Runtime.version(),
                Runtime.getRuntime().availableProcessors(),
                ROUNDS);
        for (int threads : counts) {
            measure(config, threads, stepsPerRound);
        }
    }

    /** Our steps run on a thread that PyTorch has not set its number of OpenMP threads on. */
    private static void measure(PyTorchPeer.Config config, int threads, int stepsPerRound) throws Exception {
        ExecutorService own = Executors.newSingleThreadExecutor();
        Map<Precision, TrainingStep> steps = new EnumMap<>(Precision.class);
        try (PyTorchPeer peer = PyTorch.present() ? new PyTorchPeer(config, 1337) : null) {
            for (Precision precision : precisions()) {
                steps.put(precision, step(config, threads, precision));
            }
            if (peer != null) {
                peer.threads(threads);
            }
            double[] peerMillis = new double[ROUNDS];
            Map<Precision, double[]> millis = new EnumMap<>(Precision.class);
            steps.keySet().forEach(precision -> millis.put(precision, new double[ROUNDS]));
            for (int round = -2; round < ROUNDS; round++) {
                int at = Math.max(round, 0); // what the rounds before measured is overwritten
                if (peer != null) {
                    peerMillis[at] = meanMillis(peer::stepMillis, stepsPerRound);
                }
                for (Precision precision : steps.keySet()) {
                    Runnable step = steps.get(precision)::run;
                    millis.get(precision)[at] =
                            own.submit(() -> meanMillis(step, stepsPerRound)).get();
                }
            }
            double base = peer == null ? Double.NaN : median(peerMillis);
            steps.values().forEach(step -> System.out.println(step.device().description()));
            System.out.printf(
                    "%d threads: PyTorch %.2f, last loss %.4f", threads, base, peer == null ? Double.NaN : peer.loss());
            for (Precision precision : steps.keySet()) {
                double median = median(millis.get(precision));
                System.out.printf(
                        "; %s %.2f (x %.2f), last loss %.4f",
                        precision, median, median / base, steps.get(precision).loss());
            }
            System.out.println();
        } finally {
            own.shutdown();
            steps.values().forEach(TrainingStep::close);
        }
    }

    private static List<Precision> precisions() {
        return OneDnnBf16Matmul.whyNot().isEmpty() ? List.of(Precision.FP32, Precision.BF16) : List.of(Precision.FP32);
    }

    private static double meanMillis(Runnable step, int steps) {
        long begin = System.nanoTime();
        for (int i = 0; i < steps; i++) {
            step.run();
        }
        return (System.nanoTime() - begin) / 1e6 / steps;
    }

    private static TrainingStep step(PyTorchPeer.Config peer, int threads, Precision precision) {
        GptConfig config = new GptConfig(
                peer.vocab(), peer.block(), peer.nLayer(), peer.nHead(), peer.nEmbd(), 0, false, Gelu.Form.ERF);
        return new TrainingStep(
                new CpuDevice(threads, precision), config, peer.batch(), false, EnumSet.allOf(Kind.class));
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }
}
