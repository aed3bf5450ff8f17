package dev.kindling.profile;

import dev.kindling.attention.AttentionBackend;
import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionInputs.Gradients;
import dev.kindling.device.Device;
import dev.kindling.device.Dropout;
import dev.kindling.device.StepInputs;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/**
 * Runs one attention backend on the same, nearly normally distributed inputs as every other, and times it on the
 * device. Give each timer a device of its own if {@link Result#ownBytes} is to count that backend's memory alone.
 */
public final class AttentionTimer implements AutoCloseable {
    private static final long SEED = 1337;
    /** Of a norm to that of the inputs: what is smaller is rounding, of a gradient that is zero. */
    private static final double ROUNDING = 1e-6;
    /** Elements that one thread sums. */
    private static final int PART = 1 << 16;

    /**
     * The problem: queries, keys and values of shape (B, H, T, D).
     *
     * @param backward whether gradients are computed and timed too
     */
    public record Problem(
            int batch,
            int heads,
            int length,
            int headDim,
            DType dtype,
            boolean causal,
            float dropout,
            boolean backward) {
        /** Floating point operations of forward: 4 T D for each query, of causal ones the half that is seen. */
        public double forwardFlops() {
            double seen = causal ? (length + 1) / 2.0 : length;
            return 4.0 * batch * heads * length * seen * headDim;
        }
    }

    /**
     * The time and memory of one backend.
     *
     * @param forwardMicros median time of forward
     * @param bothMicros median time of forward and backward together; 0 without backward
     * @param ownBytes memory for what is saved for backward and for scratch; inputs, outputs and gradients are not
     *     counted
     */
    public record Result(double forwardMicros, double bothMicros, int runs, long ownBytes) {}

    private final Device device;
    private final Problem problem;
    private final Arena arena;
    private final AttentionInputs inputs;
    private final Tensor out;
    private final Gradients gradients;
    private final AttentionBackend backend;
    private final Tensor saved;
    private final long bytesBefore;

    /**
     * Allocates and fills everything that {@code backend} needs.
     *
     * @param rounding the type that input values are rounded to before they become {@code problem.dtype}, so that a
     *     reference in F32 sees what a half-precision backend sees
     * @param backend makes the backend, given the device and an arena for its scratch
     * @throws dev.kindling.tensor.DeviceMemoryException if the device has too little memory
     */
    public AttentionTimer(
            Device device, Problem problem, DType rounding, BiFunction<Device, Arena, AttentionBackend> backend) {
        this.device = device;
        this.problem = problem;
        arena = device.arena("attention");
        device.setStep(new StepInputs(SEED, 0, 0, 1, 1, 1));
        float scale = (float) (1 / Math.sqrt(problem.headDim()));
        inputs = new AttentionInputs(
                input(0, "query", rounding),
                input(1, "key", rounding),
                input(2, "value", rounding),
                null,
                null,
                problem.causal(),
                scale,
                new Dropout(problem.dropout(), 1));
        Tensor dOut = problem.backward() ? input(3, "output's gradient", rounding) : null;
        out = tensor("output", problem.dtype());
        gradients = problem.backward()
                ? new Gradients(
                        dOut,
                        tensor("query's gradient", problem.dtype()),
                        tensor("key's gradient", problem.dtype()),
                        tensor("value's gradient", problem.dtype()))
                : null;
        bytesBefore = device.allocatedBytes();
        this.backend = backend.apply(device, arena);
        AttentionBackend.Saved needs = this.backend.saved(inputs);
        saved = arena.allocate("saved for backward", needs.dtype(), needs.shape());
    }

    private Tensor tensor(String name, DType type) {
        return arena.allocate(name, type, problem.batch(), problem.heads(), problem.length(), problem.headDim());
    }

    private Tensor input(long number, String name, DType rounding) {
        Tensor tensor = tensor(name, problem.dtype());
        float[] values = new float[Math.toIntExact(tensor.count())];
        IntStream.range(0, values.length).parallel().forEach(i -> values[i] = normal((number << 32) + i));
        if (rounding == problem.dtype()) {
            device.upload(values, tensor);
            return tensor;
        }
        try (Arena temporary = device.arena("rounding")) {
            Tensor rounded = temporary.allocate(name, rounding, tensor.shape());
            device.upload(values, rounded);
            device.ops().copy(rounded, tensor);
            device.synchronize();
        }
        return tensor;
    }

    /**
     * A value of mean 0 and variance 1, by its index alone: the sum of the four 16-bit parts of SplitMix64's output
     * (Steele et al., OOPSLA 2014), which is all but normally distributed.
     */
    private static float normal(long index) {
        long z = SEED + index * 0x9E3779B97F4A7C15L;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        z ^= z >>> 31;
        long sum = (z & 0xFFFF) + (z >>> 16 & 0xFFFF) + (z >>> 32 & 0xFFFF) + (z >>> 48);
        return (float) ((sum / 65535.0 - 2) * Math.sqrt(3));
    }

    /** Computes once. Returns the output and, with backward, the gradients of query, key and value. */
    public List<float[]> compute() {
        forward();
        List<Tensor> results = new ArrayList<>(List.of(out));
        if (problem.backward()) {
            backend.backward(inputs, out, saved, gradients);
            results.addAll(List.of(gradients.dQuery(), gradients.dKey(), gradients.dValue()));
        }
        return results.stream()
                .map(tensor -> {
                    float[] values = new float[Math.toIntExact(tensor.count())];
                    device.download(tensor, values);
                    return values;
                })
                .toList();
    }

    /**
     * The largest over the tensors of ||got - wanted|| / ||wanted||. What should be zero, as the gradients of queries
     * and keys of length 1 are, is measured by the norm of the inputs, whose values have variance 1.
     */
    public static double relativeError(List<float[]> got, List<float[]> wanted) {
        double worst = 0;
        for (int t = 0; t < wanted.size(); t++) {
            double inputs = wanted.get(t).length;
            double norm = squares(wanted.get(t), new float[0]);
            double difference = squares(got.get(t), wanted.get(t));
            double error = Math.sqrt(difference / (norm > ROUNDING * ROUNDING * inputs ? norm : inputs));
            worst = Double.isNaN(error) ? Double.POSITIVE_INFINITY : Math.max(worst, error);
        }
        return worst;
    }

    /** The sum of (a - b)^2, or of a^2 where b is empty; in parallel, in a fixed order. */
    private static double squares(float[] a, float[] b) {
        int parts = (a.length + PART - 1) / PART;
        double[] sums = new double[parts];
        IntStream.range(0, parts).parallel().forEach(part -> {
            double sum = 0;
            for (int i = part * PART; i < Math.min(a.length, (part + 1) * PART); i++) {
                double d = b.length == 0 ? a[i] : a[i] - b[i];
                sum += d * d;
            }
            sums[part] = sum;
        });
        return DoubleStream.of(sums).sum();
    }

    /** Times forward, then forward and backward, each after a warm-up. */
    public Result time() {
        WorkTimer.Median forward = WorkTimer.time(device, this::forward);
        double both = problem.backward()
                ? WorkTimer.time(device, () -> {
                            forward();
                            backend.backward(inputs, out, saved, gradients);
                        })
                        .micros()
                : 0;
        return new Result(forward.micros(), both, forward.runs(), device.allocatedBytes() - bytesBefore);
    }

    private void forward() {
        backend.forward(inputs, out, saved);
    }

    @Override
    public void close() {
        arena.close();
    }
}
