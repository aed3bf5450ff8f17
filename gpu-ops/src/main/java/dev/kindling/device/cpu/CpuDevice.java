package dev.kindling.device.cpu;

import dev.kindling.device.Device;
import dev.kindling.device.Ops;
import dev.kindling.device.PeakRate;
import dev.kindling.device.Precision;
import dev.kindling.device.Readback;
import dev.kindling.device.Replay;
import dev.kindling.device.StepInputs;
import dev.kindling.device.Stopwatch;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.TensorReader;
import dev.kindling.device.cpu.matmul.CpuMatmul;
import dev.kindling.device.cpu.matmul.OneDnnBf16Matmul;
import dev.kindling.device.cpu.rows.Bf16Rows;
import dev.kindling.device.cpu.rows.CpuBuffer;
import dev.kindling.device.cpu.rows.CpuStep;
import dev.kindling.device.cpu.rows.CpuThreads;
import dev.kindling.device.cpu.rows.CpuVectors;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * The CPU: heap arrays, fp32 activations, and ops that run at once on a fixed number of threads. Results do not depend
 * on that number. Uses the Vector API if the JVM has it, see {@link CpuVectors}.
 */
public final class CpuDevice implements Device {
    private final Precision precision;
    private final CpuKernels kernels;
    private final CpuThreads threads;
    private final CpuMatmul products;
    private final CpuStep step = new CpuStep();
    private final CpuOps ops;
    private final Set<CpuArena> arenas = new LinkedHashSet<>();
    private long allocatedBytes;
    private long peakBytes;

    /**
     * A device with the fastest inner loops that this JVM can run.
     *
     * @param threads that share an operation, the calling one included
     * @param precision BF16: matrix products by oneDNN with bf16 inputs
     * @throws IllegalStateException if BF16 is asked for and oneDNN cannot be used; it says why
     */
    public CpuDevice(int threads, Precision precision) {
        this(threads, precision, CpuKernels.fastest());
    }

    /** A device with the given inner loops; those of plain Java come with matrix products in plain Java. */
    CpuDevice(int threads, Precision precision, CpuKernels kernels) {
        if (precision == Precision.FP8) {
            throw new IllegalArgumentException(
                    "FP8 training needs a Hopper GPU (compute capability 9.0); set train.precision to fp32 or bf16 on the CPU");
        }
        this.precision = precision;
        this.kernels = kernels;
        this.threads = new CpuThreads(threads);
        CpuMatmul full = kernels.products().apply(this.threads);
        products = precision == Precision.BF16 ? new OneDnnBf16Matmul(this.threads, full) : full;
        ops = new CpuOps(this.threads, kernels, products, step);
    }

    @Override
    public Kind kind() {
        return Kind.CPU;
    }

    @Override
    public String description() {
        return String.format(
                Locale.ROOT, "CPU, loops in %s, products in %s", kernels.description(), products.describe());
    }

    @Override
    public Precision precision() {
        return precision;
    }

    @Override
    public DType activationType() {
        return DType.F32;
    }

    @Override
    public Ops ops() {
        return ops;
    }

    @Override
    public Arena arena(String name) {
        CpuArena arena = new CpuArena(name, this);
        arenas.add(arena);
        return arena;
    }

    void allocated(long bytes) {
        allocatedBytes += bytes;
        peakBytes = Math.max(peakBytes, allocatedBytes);
    }

    void released(CpuArena arena, long bytes) {
        arenas.remove(arena);
        allocatedBytes -= bytes;
    }

    @Override
    public void upload(FloatBuffer from, Tensor to) {
        TensorChecks.dense(to.dtype(), from.remaining(), to);
        int at = CpuBuffer.offset(to);
        if (to.dtype() == DType.BOOL) {
            byte[] booleans = CpuBuffer.booleans(to);
            for (int i = 0; i < from.remaining(); i++) {
                booleans[at + i] = (byte) (from.get(from.position() + i) == 0 ? 0 : 1);
            }
        } else if (to.dtype() == DType.BF16) {
            float[] wide = new float[from.remaining()];
            from.get(from.position(), wide);
            Bf16Rows.put(wide, 0, wide.length, ShortBuffer.wrap(CpuBuffer.halves(to), at, wide.length));
        } else {
            from.get(from.position(), CpuBuffer.floats(to), at, from.remaining());
        }
    }

    @Override
    public void upload(int[] from, Tensor to) {
        TensorChecks.dense(DType.I32, from.length, to);
        System.arraycopy(from, 0, CpuBuffer.ints(to), CpuBuffer.offset(to), from.length);
    }

    @Override
    public void download(Tensor from, FloatBuffer to) {
        int count = Math.toIntExact(from.count());
        if (from.dtype() == DType.BF16) {
            TensorChecks.dense(from);
            float[] wide = new float[count];
            Bf16Rows.get(ShortBuffer.wrap(CpuBuffer.halves(from), CpuBuffer.offset(from), count), wide, 0, count);
            to.put(to.position(), wide);
            return;
        }
        TensorChecks.dense(DType.F32, count, from);
        to.put(to.position(), CpuBuffer.floats(from), CpuBuffer.offset(from), count);
    }

    @Override
    public Readback readback(Tensor from) {
        return new CpuReadback(from);
    }

    @Override
    public TensorReader reader() {
        return new CpuTensorReader(this);
    }

    @Override
    public Optional<float[]> hostArray(Tensor tensor) {
        return tensor.dtype() == DType.F32 ? Optional.of(CpuBuffer.floats(tensor)) : Optional.empty();
    }

    @Override
    public void setStep(StepInputs inputs) {
        step.set(inputs);
    }

    @Override
    public float gradientNorm() {
        return step.gradientNorm();
    }

    /** Runs nothing now: each {@link Replay#run} runs the step. */
    @Override
    public Replay capture(Runnable body) {
        return new Replay() {
            @Override
            public void run() {
                body.run();
            }

            @Override
            public void close() {}
        };
    }

    /** Nothing to wait for: ops have finished when they return. */
    @Override
    public void synchronize() {}

    @Override
    public Stopwatch stopwatch() {
        return new CpuStopwatch();
    }

    @Override
    public long allocatedBytes() {
        return allocatedBytes;
    }

    @Override
    public long peakBytes() {
        return peakBytes;
    }

    @Override
    public Memory memory() {
        Runtime heap = Runtime.getRuntime();
        return new Memory(heap.maxMemory(), heap.maxMemory() - heap.totalMemory() + heap.freeMemory());
    }

    @Override
    public PeakRate peakRate() {
        if (precision == Precision.BF16) {
            return PeakRate.unknown("the bf16 rate of this CPU is not known");
        }
        return CpuVectors.whyNot()
                .map(reason -> PeakRate.unknown("not measured without the Vector API"))
                .orElseGet(() -> VectorPeakRate.measure(threads));
    }

    /** Unknown: what a CPU draws, its user may not read. */
    @Override
    public OptionalDouble energyJoules() {
        return OptionalDouble.empty();
    }

    @Override
    public void close() {
        List.copyOf(arenas).forEach(CpuArena::close);
        products.close();
        threads.close();
    }
}
