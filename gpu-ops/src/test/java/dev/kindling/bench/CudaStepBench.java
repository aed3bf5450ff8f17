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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;

/**
 * Milliseconds per training step (forward, backward, clip, AdamW) on the first GPU, eager and captured, the host's share of
 * an otherwise idle step (enqueueing it), joules for a thousand tokens and watts over all rounds, tokens per second, MFU
 * against 989 TFLOP/s (H100's dense bf16 peak) and peak memory. Several precisions take turns, round by round.
 *
 * <p>Arguments: {@code gpt2} (124M, B32 T1024, no dropout, no bias, as nanoGPT trains it), {@code char} (6 layers, width 384,
 * B64 T256, dropout 0.2), or GPT-2's larger sizes with biases at T1024: {@code 350m} (B16), {@code 774m} and {@code 1558m}
 * (B8); then any of a backend or {@code auto}; {@code mma} for the kernels that every GPU from compute capability 8.0 runs;
 * precisions {@code bf16} (where none is named), {@code fp8}, {@code fp8+head} with the classifier in FP8, too;
 * {@code compiled} for captured steps alone; {@code profile} for tables of eager steps' operators instead.
 */
public final class CudaStepBench {
    private static final double PEAK_FLOPS = 989e12;
    private static final List<String> PRECISIONS = List.of("bf16", "fp8", "fp8+head");
    private static final int WARM_UP = 5;
    private static final int ROUNDS = 5;
    private static final double ROUND_MILLIS = 600;
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
            if (!PRECISIONS.contains(word)
                    && !List.of("auto", "mma", "compiled", "profile").contains(word)) {
                backends = EnumSet.of(Kind.valueOf(word.toUpperCase(Locale.ROOT)));
            }
        }
        List<String> named = words.stream().filter(PRECISIONS::contains).toList();
        List<String> precisions = named.isEmpty() ? List.of("bf16") : named;
        if (words.contains("profile")) {
            for (String precision : precisions) {
                Profiler profiler = new Profiler(open(precision, words));
                try (TrainingStep step = step(profiler.device(), model, precision, backends)) {
                    profile(args[0] + " " + precision, profiler, step);
                }
            }
            return;
        }
        List<Timed> timed = new ArrayList<>();
        try {
            for (String precision : precisions) {
                TrainingStep step = step(open(precision, words), model, precision, backends);
                step.run();
                System.out.printf(
                        "%s %s: %s, first loss %.4f%n",
                        args[0], precision, step.device().description(), step.loss());
                step.compile();
                if (!words.contains("compiled")) {
                    timed.add(new Timed(precision + " eager", step, step::run));
                }
                timed.add(new Timed(precision + " captured", step, step::replay));
            }
            timed.forEach(Timed::warmUp);
            for (int round = 0; round < ROUNDS; round++) {
                for (Timed each : timed) {
                    each.round(round);
                }
            }
            timed.forEach(each -> each.print(model.config()));
        } finally {
            timed.stream().map(each -> each.step).distinct().forEach(TrainingStep::close);
        }
    }

    private static CudaDevice open(String precision, List<String> words) {
        CudaDevice.Options options = CudaDevice.Options.of(precision.equals("bf16") ? Precision.BF16 : Precision.FP8);
        return CudaDevice.open(0, words.contains("mma") ? Gpu.withoutWgmma(options) : options);
    }

    private static TrainingStep step(Device device, Model model, String precision, EnumSet<Kind> backends) {
        return new TrainingStep(device, model.config(), model.batch(), precision.equals("fp8+head"), backends);
    }

    private static void profile(String name, Profiler profiler, TrainingStep step) {
        millis(step.device(), step::run, WARM_UP);
        profiler.read();
        double millis = millis(step.device(), step::run, PROFILED);
        OperatorTable table = OperatorTable.of(profiler.read());
        System.out.printf(
                "%s, eager, %d steps: %.2f ms of wall time a step, %.2f ms of operators%n%s",
                name, PROFILED, millis, table.totalMicros() / 1e3 / PROFILED, table.format(OPERATORS));
    }

    /** Milliseconds of each of some steps. */
    private static double millis(Device device, Runnable enqueue, int steps) {
        long begin = System.nanoTime();
        for (int i = 0; i < steps; i++) {
            enqueue.run();
        }
        device.synchronize();
        return (System.nanoTime() - begin) / 1e6 / steps;
    }

    /** One way to run a training step, and what its rounds took. */
    private static final class Timed {
        final String name;
        final TrainingStep step;
        private final Runnable enqueue;
        private final double[] millis = new double[ROUNDS];
        private int steps;
        private double enqueuedMillis;
        private double joules;
        private double seconds;

        Timed(String name, TrainingStep step, Runnable enqueue) {
            this.name = name;
            this.step = step;
            this.enqueue = enqueue;
        }

        void warmUp() {
            Device device = step.device();
            millis(device, enqueue, WARM_UP);
            steps = (int) Math.max(1, ROUND_MILLIS / millis(device, enqueue, WARM_UP));
            long begin = System.nanoTime();
            enqueue.run();
            enqueuedMillis = (System.nanoTime() - begin) / 1e6;
            device.synchronize();
        }

        void round(int round) {
            Device device = step.device();
            double before = device.energyJoules().orElse(Double.NaN);
            millis[round] = millis(device, enqueue, steps);
            joules += device.energyJoules().orElse(Double.NaN) - before;
            seconds += millis[round] * steps / 1000;
        }

        void print(GptConfig config) {
            Arrays.sort(millis);
            double median = millis[ROUNDS / 2];
            System.out.printf(
                    "  %s: %.3f ms a step (%.3f to %.3f), enqueued in %.3f ms, %.4f J per thousand tokens, %.0f W, %,.0f tokens/s, MFU %.1f %%, loss %.4f after all steps, peak memory %.2f GiB%n",
                    name,
                    median,
                    millis[0],
                    millis[ROUNDS - 1],
                    enqueuedMillis,
                    joules / (ROUNDS * steps) / step.rows() * 1000,
                    joules / seconds,
                    step.rows() / median * 1000,
                    100 * flops(config, step.rows()) / (median / 1000) / PEAK_FLOPS,
                    step.loss(),
                    step.device().peakBytes() / (double) (1 << 30));
        }
    }

    /** 6 N a token for the weights of products (head included, embeddings not), 6 L T C for causal attention. */
    private static double flops(GptConfig config, int rows) {
        double c = config.width();
        double weights = config.layers() * 12 * c * c + config.vocabulary() * c;
        return rows * (6 * weights + 6.0 * config.layers() * config.blockSize() * c);
    }
}
