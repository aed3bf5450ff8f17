package dev.kindling.bench;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.Gpu;
import dev.kindling.nn.parameter.GptConfig;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Locale;

/**
 * Milliseconds per training step (forward, backward, clip, AdamW) on the first GPU, eager and compiled, the host's share of
 * an otherwise idle step (enqueueing it), joules for a thousand tokens and watts over three seconds of steps, tokens per second, MFU against 989 TFLOP/s (H100's dense bf16 peak) and peak memory. Arguments: {@code gpt2} (124M, B32 T1024, no
 * dropout, no bias) or {@code char} (6 layers, width 384, B64 T256, dropout 0.2), then a backend or {@code auto}, then
 * {@code mma} for the kernels that every GPU from compute capability 8.0 runs, or {@code fp8} for that precision.
 */
public final class CudaStepBench {
    private static final double PEAK_FLOPS = 989e12;
    private static final int STEPS = 20;
    private static final int ROUNDS = 5;
    private static final double ENERGY_MILLIS = 3000;

    private CudaStepBench() {}

    public static void main(String[] args) {
        boolean gpt2 = args[0].equals("gpt2");
        GptConfig config = gpt2
                ? new GptConfig(50257, 1024, 12, 12, 768, 0, false, Gelu.Form.ERF)
                : new GptConfig(65, 256, 6, 6, 384, 0.2f, false, Gelu.Form.ERF);
        String backend = args.length > 1 ? args[1] : "auto";
        EnumSet<Kind> backends = backend.equals("auto")
                ? EnumSet.allOf(Kind.class)
                : EnumSet.of(Kind.valueOf(backend.toUpperCase(Locale.ROOT)));
        long opening = System.nanoTime();
        boolean mma = args.length > 2 && args[2].equals("mma");
        boolean fp8 = args.length > 2 && args[2].equals("fp8");
        if (args.length > 2 && !mma && !fp8) {
            throw new IllegalArgumentException("the third argument is %s; give mma, fp8, or none".formatted(args[2]));
        }
        CudaDevice.Options options = CudaDevice.Options.of(fp8 ? Precision.FP8 : Precision.BF16);
        CudaDevice device = CudaDevice.open(0, mma ? Gpu.withoutWgmma(options) : options);
        try (TrainingStep step = new TrainingStep(device, config, gpt2 ? 32 : 64, backends)) {
            step.run();
            double first = step.loss();
            System.out.printf(
                    "%s: %s, first step done %.2f s after opening, loss %.4f%n",
                    args[0], device.description(), (System.nanoTime() - opening) / 1e9, first);
            report("eager", config, step);
            step.compile();
            report("compiled", config, step);
            System.out.printf(
                    "  loss %.4f after all steps, peak memory %.2f GiB%n",
                    step.loss(), device.peakBytes() / (double) (1 << 30));
        }
    }

    private static void report(String name, GptConfig config, TrainingStep step) {
        for (int i = 0; i < 5; i++) {
            step.run();
        }
        step.device().synchronize();
        double[] millis = new double[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            long begin = System.nanoTime();
            for (int i = 0; i < STEPS; i++) {
                step.run();
            }
            step.device().synchronize();
            millis[round] = (System.nanoTime() - begin) / 1e6 / STEPS;
        }
        Arrays.sort(millis);
        double median = millis[ROUNDS / 2];
        long begin = System.nanoTime();
        step.run();
        double enqueued = (System.nanoTime() - begin) / 1e6;
        step.device().synchronize();
        int steps = (int) (ENERGY_MILLIS / median);
        double before = step.device().energyJoules().orElse(Double.NaN);
        begin = System.nanoTime();
        for (int i = 0; i < steps; i++) {
            step.run();
        }
        step.device().synchronize();
        double joules = step.device().energyJoules().orElse(Double.NaN) - before;
        System.out.printf(
                "  %s: %.3f ms a step (%.3f to %.3f), enqueued in %.3f ms, %.4f J per thousand tokens, %.0f W, %,.0f tokens/s, MFU %.1f %%%n",
                name,
                median,
                millis[0],
                millis[ROUNDS - 1],
                enqueued,
                joules / steps / step.rows() * 1000,
                joules / ((System.nanoTime() - begin) / 1e9),
                step.rows() / median * 1000,
                100 * flops(config, step.rows()) / (median / 1000) / PEAK_FLOPS);
    }

    /** 6 N a token for the weights of products (head included, embeddings not), 6 L T C for causal attention. */
    private static double flops(GptConfig config, int rows) {
        double c = config.width();
        double weights = config.layers() * 12 * c * c + config.vocabulary() * c;
        return rows * (6 * weights + 6.0 * config.layers() * config.blockSize() * c);
    }
}
