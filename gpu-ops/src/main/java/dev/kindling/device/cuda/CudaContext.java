package dev.kindling.device.cuda;

import dev.kindling.device.AttentionShape;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.device.cuda.library.CudaException;
import dev.kindling.device.cuda.library.KernelCache;
import dev.kindling.device.cuda.library.KernelSource;
import dev.kindling.device.cuda.library.Nvrtc;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.IntSupplier;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUevent;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/**
 * What the operations of a device share: the primary context, the one stream that all work goes through, the kernels,
 * the argument block and the scratch memory. Bound to the calling thread on entry, since Spark's tasks change threads.
 */
public final class CudaContext implements AutoCloseable {
    private static final long SPIN_NANOS = 200_000;
    private static final long POLL_NANOS = 20_000;
    private static final long WATCH_NANOS = 1_000_000;

    private final CudaDeviceInfo info;
    private final Duration patience;
    private Duration hurry;
    private Runnable watch;
    private final CUdevice device = new CUdevice();
    private final CUcontext context = new CUcontext();
    private final CudaStream stream = new CudaStream();
    private final CudaMemory memory = new CudaMemory(this);
    private final LaunchArguments arguments = new LaunchArguments();
    private final List<CudaMemory.Allocation> scratches = new ArrayList<>();
    private final KernelModules kernels;
    private final StepState state;
    private boolean capturing;
    private boolean rehearsing;
    private boolean hangs;

    /** @param patience how long {@link #synchronize} waits before it gives the GPU up */
    CudaContext(CudaDeviceInfo info, KernelCache cache, Duration patience) {
        this.info = info;
        this.patience = patience;
        CudaCall.check(JCudaDriver.cuDeviceGet(device, info.driverOrdinal()), "take %s", info);
        CudaCall.check(JCudaDriver.cuDevicePrimaryCtxRetain(context, device), "retain the context of %s", info);
        bind();
        CudaCall.check(
                JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING),
                "create a stream on %s",
                info);
        Nvrtc nvrtc = new Nvrtc(cache, info.architecture());
        this.kernels = new KernelModules(program -> nvrtc.cubin(KernelSource.of(program.stem()), program.constants()));
        this.state = new StepState(this);
    }

    /** Makes the context current on this thread. */
    public void bind() {
        CudaCall.check(JCudaDriver.cuCtxSetCurrent(context), "bind the CUDA context");
    }

    public CudaDeviceInfo info() {
        return info;
    }

    public CUstream stream() {
        return stream;
    }

    /** The stream's handle, for libraries that JCuda does not bind. */
    long streamHandle() {
        return stream.handle();
    }

    public CudaMemory memory() {
        return memory;
    }

    StepState state() {
        return state;
    }

    boolean capturing() {
        return capturing;
    }

    void capturing(boolean now) {
        capturing = now;
    }

    /** Is this the first of a step's two captures, in which memory may still be allocated? */
    boolean rehearsing() {
        return rehearsing;
    }

    void rehearsing(boolean now) {
        rehearsing = now;
    }

    /** The file's module under constants (names and values in turn), with ACTIVATION for {@code type}. */
    CudaModule module(String stem, DType type, Object... constants) {
        bind();
        Object[] all = new Object[constants.length + 2];
        all[0] = "ACTIVATION";
        all[1] = kernelType(type);
        System.arraycopy(constants, 0, all, 2, constants.length);
        return kernels.module(stem, all);
    }

    void compileAhead(KernelForecast forecast) {
        kernels.compileAhead(forecast.programs(info.compute()));
    }

    CudaModule module(String stem) {
        bind();
        return kernels.module(stem);
    }

    /** A type's name in the kernels. */
    static String kernelType(DType type) {
        return switch (type) {
            case F32 -> "f32";
            case BF16 -> "bf16";
            case F16 -> "fp16";
            case E4M3 -> "e4m3";
            case E5M2 -> "e5m2";
            case I32 -> "int";
            case BOOL -> "u8";
        };
    }

    /** A kind of mask in the kernels, MASK. */
    static int kernelMask(AttentionShape.MaskKind mask) {
        return switch (mask) {
            case NONE -> 0;
            case BOOLEAN -> 1;
            case ADDITIVE -> 2;
        };
    }

    /** The argument block, emptied, on the current thread's binding. Fill it, then {@link #launch}. */
    LaunchArguments arguments() {
        bind();
        return arguments.clear();
    }

    void launch(CudaKernel kernel, CudaKernel.Grid grid) {
        kernel.launch(stream, grid, arguments);
    }

    /**
     * The address of at least {@code bytes} of memory that holds until the next op uses scratch. It never moves or
     * shrinks while the device lives, since captured graphs remember it.
     */
    public long scratch(long bytes) {
        CudaMemory.Allocation last = scratches.isEmpty() ? null : scratches.get(scratches.size() - 1);
        if (last == null || last.bytes() < bytes) {
            long doubled = last == null ? 1 << 20 : 2 * last.bytes();
            last = memory.allocate("scratch", Math.max(bytes, doubled));
            scratches.add(last);
        }
        return last.address().value();
    }

    /** A tensor over the scratch memory, {@code offset} bytes into it. */
    Tensor scratchTensor(DType type, Shape shape, long offset) {
        CudaMemory.Allocation last = scratches.get(scratches.size() - 1);
        return Tensor.dense(new CudaBuffer("scratch", type, shape.count(), last.address(), offset), 0, shape);
    }

    /** Aligned to 16 bytes, as kernels with vector loads need; the address. */
    static long aligned(Tensor tensor) {
        long address = CudaBuffer.address(tensor);
        if (address % 16 != 0) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "%s starts at a byte that 16 does not divide; align views of flat buffers", tensor));
        }
        return address;
    }

    /** {@code watch}: asked about every millisecond while the stream is waited for; throws to end the wait. Or null. */
    public void watch(Runnable watch) {
        this.watch = watch;
    }

    /** From now on no wait takes longer than this; null takes the bound away again. */
    public void hurry(Duration limit) {
        hurry = limit;
    }

    private Duration patience() {
        return hurry != null && hurry.compareTo(patience) < 0 ? hurry : patience;
    }

    /** Whether the GPU has not finished its work in time: what waits for it, such as freeing memory, may wait without end. */
    boolean hangs() {
        return hangs;
    }

    /** Waits until everything enqueued is done. */
    void synchronize() {
        await(() -> JCudaDriver.cuStreamQuery(stream));
    }

    /** Waits until {@code event}, recorded last, has come to pass. */
    void await(CUevent event) {
        await(() -> JCudaDriver.cuEventQuery(event));
    }

    private void await(IntSupplier query) {
        bind();
        long start = System.nanoTime();
        Duration most = patience();
        long watched = 0;
        while (true) {
            int result = query.getAsInt();
            if (result != CUresult.CUDA_ERROR_NOT_READY) {
                CudaCall.check(result, "finish the work on %s", info);
                return;
            }
            long waited = System.nanoTime() - start;
            if (waited > most.toNanos()) {
                String message = String.format(
                        Locale.ROOT,
                        "%s did not finish its work within %d s; the GPU hangs or is shared with other work",
                        info,
                        most.toSeconds());
                hangs = true;
                throw new CudaException(message, true);
            }
            if (watch != null && waited - watched > WATCH_NANOS) {
                watched = waited;
                watch.run();
            }
            if (waited < SPIN_NANOS) {
                Thread.onSpinWait();
            } else {
                LockSupport.parkNanos(POLL_NANOS);
            }
        }
    }

    /** Frees everything, or what can be freed where the work on it has failed; then throws that failure. */
    @Override
    public void close() {
        List<Runnable> steps = new ArrayList<>(List.of(this::bind, this::synchronize, state::close, kernels::close));
        scratches.forEach(scratch -> steps.add(() -> memory.free(scratch)));
        steps.add(() -> CudaCall.check(JCudaDriver.cuStreamDestroy(stream), "destroy the stream of %s", info));
        steps.add(
                () -> CudaCall.check(JCudaDriver.cuDevicePrimaryCtxRelease(device), "release the context of %s", info));
        closeAll(this::hangs, steps);
    }

    /**
     * Runs all steps in order, also after one has failed, then throws the first failure, which suppresses the others.
     *
     * @param hangs once it is true, the steps that are left are not run, as they would wait without end
     */
    static void closeAll(BooleanSupplier hangs, List<Runnable> steps) {
        RuntimeException first = null;
        for (Runnable step : steps) {
            try {
                if (!hangs.getAsBoolean()) {
                    step.run();
                }
            } catch (RuntimeException e) {
                if (first == null) {
                    first = e;
                } else {
                    first.addSuppressed(e);
                }
            }
        }
        if (first != null) {
            throw first;
        }
    }
}
