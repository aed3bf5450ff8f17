package dev.kindling.device.cuda;

import dev.kindling.device.Device;
import dev.kindling.device.Ops;
import dev.kindling.device.PeakRate;
import dev.kindling.device.Precision;
import dev.kindling.device.Readback;
import dev.kindling.device.Replay;
import dev.kindling.device.StepInputs;
import dev.kindling.device.Stopwatch;
import dev.kindling.device.TensorReader;
import dev.kindling.device.cuda.library.CudaException;
import dev.kindling.device.cuda.library.CudaLibraries;
import dev.kindling.device.cuda.library.EnergyCounter;
import dev.kindling.device.cuda.library.KernelCache;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * One NVIDIA GPU: its primary context, one stream, cuBLAS and the kernels of resources/kernels, which are compiled at
 * first use for the GPU at hand. Used by one thread at a time, not always the same.
 */
public final class CudaDevice implements Device {
    private final CudaContext context;
    private final Options options;
    private final CudaStaging staging;
    private final CudaOps ops;
    private final Set<CudaArena> arenas = new LinkedHashSet<>();
    private final EnergyCounter energy;
    private boolean closed;

    /**
     * How to open a GPU.
     *
     * @param tf32 whether FP32 matrix products may round their inputs to TF32 (10 bits of fraction); off, they are exact
     * @param cache of compiled kernels
     * @param patience how long {@link #synchronize} waits
     * @param wgmma whether kernels may use Hopper's warpgroup instructions where the GPU has them
     */
    public record Options(Precision precision, boolean tf32, KernelCache cache, Duration patience, boolean wgmma) {
        public static Options of(Precision precision) {
            return new Options(precision, false, KernelCache.standard(System.getenv()), Duration.ofMinutes(5), true);
        }
    }

    private CudaDevice(CudaDeviceInfo info, Options options) {
        this.options = options;
        this.context = new CudaContext(info, options.cache(), options.patience());
        this.staging = new CudaStaging(context);
        this.ops = new CudaOps(context, options);
        this.energy = EnergyCounter.of(info.uuid());
    }

    /** Why this machine has no usable GPU (no driver, no libraries, no device), or empty if it has one. */
    public static Optional<String> whyNot() {
        Optional<String> libraries = CudaLibraries.whyNot();
        if (libraries.isPresent()) {
            return libraries;
        }
        try {
            return devices().isEmpty()
                    ? Optional.of("the driver sees no GPU; check nvidia-smi and CUDA_VISIBLE_DEVICES")
                    : Optional.empty();
        } catch (CudaException e) {
            return Optional.of(e.getMessage());
        }
    }

    /** The GPUs in PCI bus order; a {@link CudaException} where {@link #whyNot} gives a reason. */
    public static List<CudaDeviceInfo> devices() {
        return CudaDeviceInfo.all();
    }

    public static int count() {
        return devices().size();
    }

    /** Why the GPU at a position of PCI bus order cannot compute in a precision, or empty if it can. */
    public static Optional<String> whyNot(int ordinal, Precision precision) {
        CudaDeviceInfo info = devices().get(ordinal);
        if (precision != Precision.FP8 || info.compute() == 90) {
            return Optional.empty();
        }
        return Optional.of(String.format(
                Locale.ROOT,
                "%s has compute capability %d.%d, and FP8 training needs 9.0 (Hopper); set train.precision to bf16",
                info,
                info.compute() / 10,
                info.compute() % 10));
    }

    /** Opens the GPU at a position of PCI bus order. */
    public static CudaDevice open(int ordinal, Precision precision) {
        return open(ordinal, Options.of(precision));
    }

    public static CudaDevice open(int ordinal, Options options) {
        List<CudaDeviceInfo> all = devices();
        if (ordinal < 0 || ordinal >= all.size()) {
            throw new CudaException(
                    String.format(Locale.ROOT, "there is no GPU %d; this process sees %s", ordinal, all));
        }
        whyNot(ordinal, options.precision()).ifPresent(reason -> {
            throw new CudaException(reason);
        });
        return new CudaDevice(checked(all.get(ordinal)), options);
    }

    private static CudaDeviceInfo checked(CudaDeviceInfo info) {
        if (info.compute() < 80) {
            throw new CudaException(String.format(
                    Locale.ROOT,
                    "%s has compute capability %d.%d, Kindling needs 8.0 (Ampere) or newer",
                    info,
                    info.compute() / 10,
                    info.compute() % 10));
        }
        return info;
    }

    public CudaContext context() {
        return context;
    }

    public CudaDeviceInfo info() {
        return context.info();
    }

    public String uuid() {
        return context.info().uuid();
    }

    @Override
    public Kind kind() {
        return Kind.CUDA;
    }

    @Override
    public String description() {
        return context.info().toString();
    }

    @Override
    public Precision precision() {
        return options.precision();
    }

    @Override
    public DType activationType() {
        return options.precision() == Precision.FP32 ? DType.F32 : DType.BF16;
    }

    @Override
    public Ops ops() {
        return ops;
    }

    @Override
    public Arena arena(String name) {
        CudaArena[] self = new CudaArena[1];
        self[0] = new CudaArena(name, context.memory(), () -> arenas.remove(self[0]));
        arenas.add(self[0]);
        return self[0];
    }

    @Override
    public void upload(FloatBuffer from, Tensor to) {
        staging.upload(from, to);
    }

    @Override
    public void upload(int[] from, Tensor to) {
        staging.upload(from, to);
    }

    @Override
    public void download(Tensor from, FloatBuffer to) {
        staging.download(from, to);
    }

    @Override
    public Readback readback(Tensor from) {
        return new CudaReadback(context, from);
    }

    @Override
    public TensorReader reader() {
        return new CudaTensorReader(context);
    }

    @Override
    public Optional<float[]> hostArray(Tensor tensor) {
        return Optional.empty();
    }

    @Override
    public void setStep(StepInputs inputs) {
        if (context.capturing()) {
            throw new IllegalStateException("setStep inside a captured step; call it before each replay");
        }
        context.state().set(inputs);
    }

    @Override
    public float gradientNorm() {
        return context.state().gradientNorm();
    }

    /** Begins to compile kernels that will be asked for; returns at once. */
    public void compileAhead(KernelForecast forecast) {
        context.compileAhead(forecast);
    }

    @Override
    public Replay capture(Runnable step) {
        context.bind();
        return CudaGraph.capture(context, step);
    }

    @Override
    public void synchronize() {
        context.synchronize();
    }

    @Override
    public Stopwatch stopwatch() {
        return new CudaStopwatch(context);
    }

    @Override
    public long allocatedBytes() {
        return context.memory().allocated();
    }

    @Override
    public long peakBytes() {
        return context.memory().peak();
    }

    @Override
    public Memory memory() {
        return context.memory().ofDevice();
    }

    @Override
    public PeakRate peakRate() {
        return CudaPeakRate.of(info(), options.precision(), options.tf32());
    }

    @Override
    public OptionalDouble energyJoules() {
        return energy.joules();
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        List<Runnable> steps = new ArrayList<>(List.of(context::synchronize));
        arenas.forEach(arena -> steps.add(arena::close));
        steps.addAll(List.of(ops::close, staging::close, context::close));
        CudaContext.closeAll(context::hangs, steps);
    }
}
