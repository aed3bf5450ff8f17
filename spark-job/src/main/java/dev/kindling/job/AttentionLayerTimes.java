package dev.kindling.job;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
import dev.kindling.config.ConfigException;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.device.Device;
import dev.kindling.device.Replay;
import dev.kindling.device.StepInputs;
import dev.kindling.job.options.AttentionOptions;
import dev.kindling.nn.AttentionModule;
import dev.kindling.nn.AttentionModule.Sizes;
import dev.kindling.nn.Gpt.DeviceArena;
import dev.kindling.profile.OperatorTable;
import dev.kindling.profile.Profiler;
import dev.kindling.profile.WorkTimer;
import dev.kindling.session.DriverDevice;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.DeviceMemoryException;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Random;

/**
 * Times a causal self-attention layer, always causal and with the fastest backend that takes it: eager and captured, or
 * over sequences of different lengths, padded and packed.
 */
final class AttentionLayerTimes {
    private static final long SEED = 1337;
    private static final int PROFILED_RUNS = 25;
    private static final int TOP = 10;

    private final AttentionOptions options;
    private final boolean cuda;
    private final DType type;
    private final PrintStream out;

    AttentionLayerTimes(AttentionOptions options, boolean cuda, DType type, PrintStream out) {
        if (type == DType.F16) {
            throw new ConfigException(
                    "--dtype is fp16, but layers compute in bf16 or fp32, as training does; give one of these");
        }
        this.options = options;
        this.cuda = cuda;
        this.type = type;
        this.out = out;
    }

    void run() {
        for (int length : options.lengths()) {
            Sizes sizes = Sizes.dense(options.batch(), length, options.heads(), options.headDim(), options.dropout());
            try (Device device = open()) {
                printHeader(device, length);
                if (options.packed().isPresent()) {
                    packed(device, sizes, options.packed().getAsInt());
                } else {
                    module(device, sizes);
                }
            } catch (UnsupportedOperationException | DeviceMemoryException e) {
                throw new FatalJobException(e.getMessage(), e);
            }
        }
    }

    private Device open() {
        Device device = DriverDevice.open(cuda, type == DType.BF16 ? PrecisionChoice.BF16 : PrecisionChoice.FP32);
        device.setStep(new StepInputs(SEED, 0, 0, 1, 1, 1));
        return device;
    }

    private void printHeader(Device device, int length) {
        out.printf(
                Locale.ROOT,
                "%s%ncausal self-attention layer of %d channels, B%d H%d T%d D%d %s%s: %s, microseconds, medians%n",
                device.description(),
                options.heads() * options.headDim(),
                options.batch(),
                options.heads(),
                length,
                options.headDim(),
                device.activationType(),
                options.dropout() > 0 ? " dropout " + options.dropout() : "",
                options.backward() ? "forward and backward" : "forward");
    }

    /** The layer on a device, with the name of the backend that was chosen. */
    private record Layer(AttentionModule module, String backend) {}

    private static Layer layer(Device device, Arena arena, Sizes sizes) {
        Sdpa sdpa = new Sdpa(device, arena, EnumSet.allOf(Kind.class));
        AttentionModule module = new AttentionModule(sizes, sdpa, new DeviceArena(device, arena));
        return new Layer(module, sdpa.chosen());
    }

    private void enqueue(Layer layer) {
        layer.module().forward();
        if (options.backward()) {
            layer.module().backward();
        }
    }

    private void module(Device device, Sizes sizes) {
        try (Arena arena = device.arena("layer")) {
            Layer layer = layer(device, arena, sizes);
            double eager = WorkTimer.time(device, () -> enqueue(layer)).micros();
            out.printf(Locale.ROOT, "eager     %12.1f  %s%n", eager, layer.backend());
            if (device.kind() == Device.Kind.CUDA) { // on the CPU a captured step runs as an eager one does
                try (Replay replay = device.capture(() -> enqueue(layer))) {
                    double captured = WorkTimer.time(device, replay::run).micros();
                    out.printf(
                            Locale.ROOT,
                            "captured  %12.1f  eager takes %.2f times as long%n",
                            captured,
                            eager / captured);
                }
            }
        }
        try (Arena arena = device.arena("profiled layer");
                Profiler profiler = new Profiler(device)) {
            Layer layer = layer(profiler.device(), arena, sizes);
            enqueue(layer);
            profiler.read();
            for (int i = 0; i < PROFILED_RUNS; i++) {
                enqueue(layer);
            }
            out.printf(Locale.ROOT, "%noperators of %d eager runs:%n", PROFILED_RUNS);
            out.print(OperatorTable.of(profiler.read()).format(TOP));
        }
    }

    private void packed(Device device, Sizes sizes, int mean) {
        int[] lengths = lengths(options.batch(), sizes.shape().length(), mean);
        int tokens = Arrays.stream(lengths).sum();
        double padding = 1 - tokens / (double) sizes.shape().rows();
        double padded = row(device, "padded", sizes.shape().rows(), sizes);
        double packed = row(device, "packed", tokens, sizes.packed(lengths));
        out.printf(
                Locale.ROOT,
                "%.1f %% of the padded rows are padding; padded takes %.2f times as long as packed%n",
                100 * padding,
                padded / packed);
    }

    private double row(Device device, String name, int rows, Sizes sizes) {
        try (Arena arena = device.arena(name)) {
            Layer layer = layer(device, arena, sizes);
            double micros = WorkTimer.time(device, () -> enqueue(layer)).micros();
            out.printf(Locale.ROOT, "%s  %12.1f  %,d rows, %s%n", name, micros, rows, layer.backend());
            return micros;
        }
    }

    /** Lengths of 1 to {@code longest}, evenly spread around {@code mean}; the same in every run. */
    static int[] lengths(int count, int longest, int mean) {
        int spread = Math.min(mean - 1, longest - mean);
        return new Random(SEED).ints(count, mean - spread, mean + spread + 1).toArray();
    }
}
