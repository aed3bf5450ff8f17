package dev.kindling.job;

import dev.kindling.attention.AttentionBackend;
import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.EfficientAttention;
import dev.kindling.attention.FlashAttention;
import dev.kindling.attention.MathAttention;
import dev.kindling.config.ConfigException;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.Device;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.AttentionOptions;
import dev.kindling.profile.AttentionTimer;
import dev.kindling.profile.AttentionTimer.Problem;
import dev.kindling.profile.AttentionTimer.Result;
import dev.kindling.session.DriverDevice;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.DeviceMemoryException;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Times each attention backend on the driver's device. Each is first compared with MATH in fp32 on the same inputs; if
 * one disagrees, the command fails. Every backend gets a freshly opened device, so that its memory is counted alone.
 */
final class AttentionJob implements Job<AttentionOptions> {
    private final PrintStream out;

    AttentionJob(PrintStream out) {
        this.out = out;
    }

    @Override
    public void run(AttentionOptions options) {
        boolean cuda = DriverDevice.isCuda(options.device());
        DType type = options.dtype().orElse(cuda ? DType.BF16 : DType.F32);
        if (!cuda && type != DType.F32) {
            throw new ConfigException("the CPU computes attention in fp32; leave --dtype out, or use --device cuda");
        }
        if (options.module() || options.packed().isPresent()) {
            new AttentionLayerTimes(options, cuda, type, out).run();
            return;
        }
        printHeader(options, type, cuda);
        List<String> disagreeing = new ArrayList<>();
        for (int length : options.lengths()) {
            Problem problem = new Problem(
                    options.batch(),
                    options.heads(),
                    length,
                    options.headDim(),
                    type,
                    options.causal(),
                    options.dropout(),
                    options.backward());
            Optional<List<float[]>> reference = reference(problem, cuda);
            for (Kind kind : Kind.values()) {
                if (!row(problem, kind, reference, cuda)) {
                    disagreeing.add(kind + " at length " + length);
                }
            }
        }
        if (!disagreeing.isEmpty()) {
            throw new FatalJobException(
                    "these backends disagree with MATH in fp32 by more than %s: %s; do not use them",
                    tolerance(type), String.join(", ", disagreeing));
        }
    }

    private void printHeader(AttentionOptions options, DType type, boolean cuda) {
        try (Device device = open(cuda)) {
            out.println(device.description());
        }
        out.printf(
                Locale.ROOT,
                "B%d H%d D%d %s%s%s; microseconds, medians; own bytes are what is saved for backward, and scratch;"
                        + " backward counts as 2.5 times forward%n",
                options.batch(),
                options.heads(),
                options.headDim(),
                type,
                options.causal() ? " causal" : "",
                options.dropout() > 0 ? " dropout " + options.dropout() : "");
        out.printf(
                Locale.ROOT,
                "%7s  %-10s %12s %8s %18s %8s %16s %15s %5s%n",
                "length",
                "backend",
                "forward",
                "TFLOP/s",
                "forward+backward",
                "TFLOP/s",
                "own bytes",
                "relative error",
                "runs");
    }

    private static Device open(boolean cuda) {
        return DriverDevice.open(cuda, PrecisionChoice.FP32);
    }

    private static AttentionBackend backend(Kind kind, Device device, Arena arena) {
        return switch (kind) {
            case MATH -> new MathAttention(device.ops(), arena);
            case FLASH -> new FlashAttention(device.ops());
            case EFFICIENT -> new EfficientAttention(device.ops());
        };
    }

    /** MATH's results in fp32, or empty if they do not fit into memory. */
    private Optional<List<float[]>> reference(Problem problem, boolean cuda) {
        Problem exact = new Problem(
                problem.batch(),
                problem.heads(),
                problem.length(),
                problem.headDim(),
                DType.F32,
                problem.causal(),
                problem.dropout(),
                problem.backward());
        try (Device device = open(cuda);
                AttentionTimer timer =
                        new AttentionTimer(device, exact, problem.dtype(), (d, a) -> backend(Kind.MATH, d, a))) {
            return Optional.of(timer.compute());
        } catch (DeviceMemoryException e) {
            out.printf(
                    Locale.ROOT,
                    "%7d  not checked: MATH in fp32 has too little memory: %s%n",
                    problem.length(),
                    e.getMessage());
            return Optional.empty();
        }
    }

    /** Prints a backend's row; returns false if it disagrees with the reference. */
    private boolean row(Problem problem, Kind kind, Optional<List<float[]>> reference, boolean cuda) {
        try (Device device = open(cuda)) {
            Optional<String> reason;
            try (Arena arena = device.arena("question")) {
                reason = backend(kind, device, arena).whyNot(shape(problem));
            }
            if (reason.isPresent()) {
                out.printf(Locale.ROOT, "%7d  %-10s cannot run: %s%n", problem.length(), kind, reason.get());
                return true;
            }
            try (AttentionTimer timer =
                    new AttentionTimer(device, problem, problem.dtype(), (d, a) -> backend(kind, d, a))) {
                Optional<Double> error = reference.map(wanted -> AttentionTimer.relativeError(timer.compute(), wanted));
                boolean agrees = error.isEmpty() || error.get() <= tolerance(problem.dtype());
                print(problem, kind, timer.time(), error, agrees);
                return agrees;
            }
        } catch (DeviceMemoryException e) {
            out.printf(Locale.ROOT, "%7d  %-10s cannot run: %s%n", problem.length(), kind, e.getMessage());
            return true;
        }
    }

    private void print(Problem problem, Kind kind, Result result, Optional<Double> error, boolean agrees) {
        out.printf(
                Locale.ROOT,
                "%7d  %-10s %12.1f %8.3g %18s %8s %,16d %15s %5d%s%n",
                problem.length(),
                kind,
                result.forwardMicros(),
                problem.forwardFlops() / result.forwardMicros() / 1e6,
                problem.backward() ? String.format(Locale.ROOT, "%.1f", result.bothMicros()) : "-",
                problem.backward()
                        ? String.format(Locale.ROOT, "%.3g", 3.5 * problem.forwardFlops() / result.bothMicros() / 1e6)
                        : "-",
                result.ownBytes(),
                error.map(value -> String.format(Locale.ROOT, "%.1e", value)).orElse("not checked"),
                result.runs(),
                agrees ? "" : "  DISAGREES");
    }

    private static AttentionShape shape(Problem problem) {
        return AttentionShape.self(
                problem.batch(),
                problem.heads(),
                problem.length(),
                problem.headDim(),
                problem.dtype(),
                problem.causal(),
                problem.dropout(),
                false);
    }

    /**
     * The relative error that rounding explains: of inputs, outputs and, inside, of probabilities; some ulps of the
     * type.
     */
    private static double tolerance(DType type) {
        return switch (type) {
            case BF16 -> 2e-2;
            case F16 -> 4e-3;
            case F32, I32, BOOL, E4M3, E5M2 -> 1e-4;
        };
    }
}
