package dev.kindling.bench;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.nn.GptConfig;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Milliseconds per training step (forward, backward, clip, AdamW) on the CPU, beside PyTorch's in the same run.
 * Candidates take turns within every round; medians are printed. Arguments: {@code cpu} (4 layers, width 128, block 64,
 * batch 12) or {@code gpu} (6 layers, width 384, block 256, batch 8), then numbers of threads.
 *
 * <p>Run with {@code --add-modules=jdk.incubator.vector} and the test class path.
 */
public final class StepBench {
    private static final int ROUNDS = 7;

    private StepBench() {}

    public static void main(String[] args) throws Exception {
        PyTorchPeer.Config config =
                args.length > 0 && args[0].equals("gpu") ? PyTorchPeer.Config.gpu() : PyTorchPeer.Config.cpu();
        int[] counts = args.length > 1
                ? Arrays.stream(args).skip(1).mapToInt(Integer::parseInt).toArray()
                : new int[] {1, 2};
        int stepsPerRound = config.nEmbd() > 128 ? 2 : 40;
        System.out.printf(
                "%s; PyTorch %s, JDK %s, %d CPUs; median of %d interleaved rounds, ms per step%n",
                config, PyTorch.load(), Runtime.version(), Runtime.getRuntime().availableProcessors(), ROUNDS);
        for (int threads : counts) {
            measure(config, threads, stepsPerRound);
        }
    }

    /** Our steps run on a thread that PyTorch has not set its number of OpenMP threads on. */
    private static void measure(PyTorchPeer.Config config, int threads, int stepsPerRound) throws Exception {
        ExecutorService own = Executors.newSingleThreadExecutor();
        try (PyTorchPeer peer = new PyTorchPeer(config, 1337);
                TrainingStep fp32 = step(config, threads, Precision.FP32);
                TrainingStep bf16 = step(config, threads, Precision.BF16)) {
            peer.threads(threads);
            double[][] millis = new double[3][ROUNDS];
            for (int round = -2; round < ROUNDS; round++) {
                for (int candidate = 0; candidate < 3; candidate++) {
                    Runnable step =
                            switch (candidate) {
                                case 0 -> peer::stepMillis;
                                case 1 -> fp32::run;
                                default -> bf16::run;
                            };
                    double mean = candidate == 0
                            ? meanMillis(step, stepsPerRound)
                            : own.submit(() -> meanMillis(step, stepsPerRound)).get();
                    if (round >= 0) {
                        millis[candidate][round] = mean;
                    }
                }
            }
            double base = median(millis[0]);
            System.out.printf(
                    "%d threads: PyTorch %.2f, fp32 %.2f (x %.2f), bf16 %.2f (x %.2f)%n",
                    threads,
                    base,
                    median(millis[1]),
                    median(millis[1]) / base,
                    median(millis[2]),
                    median(millis[2]) / base);
            System.out.printf(
                    "  losses of the last step: PyTorch %.4f, fp32 %.4f, bf16 %.4f%n",
                    peer.loss(), fp32.loss(), bf16.loss());
        } finally {
            own.shutdown();
        }
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
        return new TrainingStep(new CpuDevice(threads, precision), config, peer.batch(), EnumSet.allOf(Kind.class));
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }
}
