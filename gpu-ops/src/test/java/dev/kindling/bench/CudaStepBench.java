package dev.kindling.bench;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.Gpu;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.profile.OperatorTable;
import dev.kindling.profile.Profiler;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;

/**
 * Milliseconds per training step (forward, backward, clip, AdamW) on the first GPU, eager and compiled, the host's share of
 * an otherwise idle step (enqueueing it), joules for a thousand tokens and watts over three seconds of steps, tokens per
 * second, MFU against 989 TFLOP/s (H100's dense bf16 peak) and peak memory.
 *
 * <p>Arguments: {@code gpt2} (124M, B32 T1024, no dropout, no bias, as nanoGPT trains it), {@code char} (6 layers, width 384,
 * B64 T256, dropout 0.2), or GPT-2's larger sizes with biases at T1024: {@code 350m} (B16), {@code 774m} and {@code 1558m}
 * (B8); then any of a backend or {@code auto}; {@code mma} for the kernels that every GPU from compute capability 8.0 runs;
 * {@code fp8} for that precision, {@code fp8+head} with the classifier in it, too; {@code compiled} for that alone; {@code profile} for a table of an eager step's operators
 * instead.
 */
public final class CudaStepBench {
    private static final double PEAK_FLOPS = 989e12;
    private static final int WARM_UP = 5;
    private static final int ROUNDS = 5;
    private static final double ROUND_MILLIS = 1100;
    private static final double ENERGY_MILLIS = 3000;
    private static final int PROFILED = 5;
    private static final int OPERATORS = 30;

    private CudaStepBench() {}

    private record Model(GptConfig config, int batch) {
        static Model of(String name) {
            return switch (name) {
                case "char" -> new Model(new GptConfig(65, 256, 6, 6, 384, 0.2f, false, Gelu.Form.ERF), 64);
                case "gpt2" -> new Model(new GptConfig(50257, 1024, 12, 12, 768, 0, false, Gelu.Form.ERF), 32);
                case "350m" -> new Model(gpt2(24, 16, 1024), 16);
                case "774m" -> new Model(gpt2(36, 20, 1280), 8);
                case "1558m" -> new Model(gpt2(48, 25, 1600), 8);
                default ->
                    throw new IllegalArgumentException("no model " + name + "; give char, gpt2, 350m, 774m or 1558m");
            };
        }

        private static GptConfig gpt2(int layers, int heads, int width) {
            return new GptConfig(50257, 1024, layers, heads, width, 0, true, Gelu.Form.TANH);
        }
    }

    public static void main(String[] args) {
        Model model = Model.of(args[0]);
        List<String> words = Arrays.asList(args).subList(1, args.length);
        EnumSet<Kind> backends = EnumSet.allOf(Kind.class);
        for (String word : words) {
            if (!List.of("auto", "mma", "fp8", "fp8+head", "compiled", "profile")
                    .contains(word)) {
                backends = EnumSet.of(Kind.valueOf(word.toUpperCase(Locale.ROOT)));
            }
        }
        long opening = System.nanoTime();
        boolean fp8Head = words.contains("fp8+head");
        CudaDevice.Options options =
                CudaDevice.Options.of(fp8Head || words.contains("fp8") ? Precision.FP8 : Precision.BF16);
        CudaDevice device = CudaDevice.open(0, words.contains("mma") ? Gpu.withoutWgmma(options) : options);
        if (words.contains("profile")) {
            Profiler profiler = new Profiler(device);
            try (TrainingStep step =
                    new TrainingStep(profiler.device(), model.config(), model.batch(), fp8Head, backends)) {
                profile(args[0], profiler, step);
            }
            return;
        }
        try (TrainingStep step = new TrainingStep(device, model.config(), model.batch(), fp8Head, backends)) {
            step.run();
            double first = step.loss();
            System.out.printf(
                    "%s: %s, first step done %.2f s after opening, loss %.4f%n",
                    args[0], device.description(), (System.nanoTime() - opening) / 1e9, first);
            if (!words.contains("compiled")) {
                report("eager", model.config(), step);
            }
            step.compile();
            report("compiled", model.config(), step);
            System.out.printf(
                    "  loss %.4f after all steps, peak memory %.2f GiB%n",
                    step.loss(), device.peakBytes() / (double) (1 << 30));
        }
    }

    private static void profile(String name, Profiler profiler, TrainingStep step) {
        millis(step, WARM_UP);
        profiler.read();
        double millis = millis(step, PROFILED);
        OperatorTable table = OperatorTable.of(profiler.read());
        System.out.printf(
                "%s, eager, %d steps: %.2f ms of wall time a step, %.2f ms of operators%n%s",
                name, PROFILED, millis, table.totalMicros() / 1e3 / PROFILED, table.format(OPERATORS));
    }

    /** Milliseconds of each of some steps. */
    private static double millis(TrainingStep step, int steps) {
        long begin = System.nanoTime();
        for (int i = 0; i < steps; i++) {
            step.run();
        }
        step.device().synchronize();
        return (System.nanoTime() - begin) / 1e6 / steps;
    }

    private static void report(String name, GptConfig config, TrainingStep step) {
        step.device().synchronize();
        millis(step, WARM_UP);
        int steps = (int) Math.max(1, ROUND_MILLIS / millis(step, WARM_UP));
        double[] millis = new double[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            millis[round] = millis(step, steps);
        }
        Arrays.sort(millis);
        double median = millis[ROUNDS / 2];
        long begin = System.nanoTime();
        step.run();
        double enqueued = (System.nanoTime() - begin) / 1e6;
        step.device().synchronize();
        Energy energy = Energy.of(step, (int) (ENERGY_MILLIS / median));
        System.out.printf(
                "  %s: %.3f ms a step (%.3f to %.3f), enqueued in %.3f ms, %.4f J per thousand tokens, %.0f W, %,.0f tokens/s, MFU %.1f %%%n",
                name,
                median,
                millis[0],
                millis[ROUNDS - 1],
                enqueued,
                energy.joules() / step.rows() * 1000,
                energy.watts(),
                step.rows() / median * 1000,
                100 * flops(config, step.rows()) / (median / 1000) / PEAK_FLOPS);
    }

    /** What a step draws. */
    private record Energy(double joules, double watts) {
        static Energy of(TrainingStep step, int steps) {
            Device device = step.device();
            double before = device.energyJoules().orElse(Double.NaN);
            double seconds = steps * millis(step, steps) / 1000;
            double joules = device.energyJoules().orElse(Double.NaN) - before;
            return new Energy(joules / steps, joules / seconds);
        }
    }

    /** 6 N a token for the weights of products (head included, embeddings not), 6 L T C for causal attention. */
    private static double flops(GptConfig config, int rows) {
        double c = config.width();
        double weights = config.layers() * 12 * c * c + config.vocabulary() * c;
        return rows * (6 * weights + 6.0 * config.layers() * config.blockSize() * c);
    }
}
