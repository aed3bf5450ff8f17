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
    private static final int DROPOUT_SITE = 1;
    private static final int QUERY_SITE = 2; // then those of key, value and the output's gradient
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
                input(QUERY_SITE, "query", rounding),
                input(QUERY_SITE + 1, "key", rounding),
                input(QUERY_SITE + 2, "value", rounding),
                null,
                null,
                problem.causal(),
                scale,
                new Dropout(problem.dropout(), DROPOUT_SITE));
        Tensor dOut = problem.backward() ? input(QUERY_SITE + 3, "output's gradient", rounding) : null;
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

    private Tensor input(int site, String name, DType rounding) {
        Tensor tensor = tensor(name, problem.dtype());
        if (rounding == problem.dtype()) {
            device.ops().normal(tensor, site);
            return tensor;
        }
        try (Arena temporary = device.arena("rounding")) {
            Tensor rounded = temporary.allocate(name, rounding, tensor.shape());
            device.ops().normal(rounded, site);
            device.ops().copy(rounded, tensor);
            device.synchronize();
        }
        return tensor;
    }

    /** Computes once. Returns the output and, with backward, the gradients of query, key and value. */
    public List<float[]> compute() {
        forward();
        List<Tensor> results = new ArrayList<>(List.of(out));
        if (problem.backward()) {
            backend.backward(inputs, out, saved, gradients);
            results.addAll(List.of(gradients.dQuery(), gradients.dKey(), gradients.dValue()));
        }
        return results.stream().map(this::download).toList();
    }

    /** Widened on the device: the host would take seconds. */
    private float[] download(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.count())];
        try (Arena temporary = device.arena("result")) {
            Tensor wide = tensor;
            if (tensor.dtype() != DType.F32) {
                wide = temporary.allocate("result", DType.F32, tensor.shape());
                device.ops().copy(tensor, wide);
            }
            device.download(wide, values);
        }
        return values;
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
