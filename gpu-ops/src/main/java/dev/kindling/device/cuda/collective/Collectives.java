package dev.kindling.device.cuda.collective;

import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaContext;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.CudaOptimizer;
import dev.kindling.device.cuda.CudaStream;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.tensor.Tensor;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.BooleanSupplier;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/**
 * Collectives between the GPUs of a group of ranks, one GPU a rank. They are enqueued on a stream of their own, beside the
 * device's work, and may be captured with it: each waits for what the device was given before, and {@link #join} makes the
 * device wait for them. Every rank enqueues the same operations, on tensors of the same counts, in the same order. Sums of
 * two ranks have the same bits in every run and over every implementation.
 *
 * <p>A kernel that waits for a lost peer never ends by itself. So while the device is waited for, the group's liveness is
 * asked; when it throws, the kernels are told to quit, and the wait ends with what it threw. Used by the device's thread;
 * close it before the device, and after the graphs that captured it.
 *
 * <p>Where a tensor is cut into pieces, these are equally long and lie in the order of the ranks.
 */
public abstract class Collectives implements AutoCloseable {
    /** For kernels and native threads to quit once told so. */
    protected static final Duration QUIT_PATIENCE = Duration.ofSeconds(5);

    private final CudaContext context;
    private final RankGroup group;
    private final CudaOptimizer optimizer;
    private final CudaStream stream = new CudaStream();
    private final CUevent forked = new CUevent();
    private final CUevent joined = new CUevent();
    private boolean broken;
    private boolean closed;

    protected Collectives(CudaDevice device, RankGroup group) {
        this.context = device.context();
        this.group = group;
        this.optimizer = new CudaOptimizer(context);
        context.bind();
        int[] least = new int[1];
        int[] greatest = new int[1];
        CudaCall.check(JCudaDriver.cuCtxGetStreamPriorityRange(least, greatest), "ask for the streams' priorities");
        // Before the compute kernels that wait for a place: a peer's kernel spins until this rank's has one, too.
        CudaCall.check(
                JCudaDriver.cuStreamCreateWithPriority(stream, CUstream_flags.CU_STREAM_NON_BLOCKING, greatest[0]),
                "create a stream for collectives on %s",
                context.info());
        for (CUevent event : new CUevent[] {forked, joined}) {
            CudaCall.check(JCudaDriver.cuEventCreate(event, CUevent_flags.CU_EVENT_DISABLE_TIMING), "create an event");
        }
    }

    /** What carries them, as in {@code cluster.allreduce}. */
    public abstract String name();

    /**
     * Announces a tensor whose parts will be exchanged, so that it travels without a detour where that needs to be known.
     * Every rank calls it, for the same tensors in the same order; a later one of the same name takes the place of the first.
     */
    public void share(Tensor whole) {}

    /** What the device does while a collective runs, which decides what the collective may take of it. */
    public enum Beside {
        /** Kernels that need their multiprocessors. */
        WORK,
        /** Nothing: it waits for the collective. */
        NOTHING
    }

    /** x = sum over ranks of x, F32 or half precision, once the device has done what it was given so far. */
    public abstract void allReduce(Tensor x, Beside beside);

    /** x (F32) = the largest over ranks of x, as {@link #allReduce}. */
    public abstract void maximum(Tensor x);

    /** This rank's piece of {@code whole} = that piece of the sum over ranks; the other pieces are undefined afterwards. */
    public abstract void reduceScatter(Tensor whole, Beside beside);

    /** The pieces of {@code whole} = those of the ranks that own them. */
    public abstract void allGather(Tensor whole);

    /** On rank 0 alone: the pieces of {@code whole} = those of the ranks that own them. */
    public abstract void gather(Tensor whole);

    /** The ranks' {@code bytes} at {@code address}, one after another, of which each has put its own in place. */
    protected abstract void allGatherBytes(long address, long bytes);

    /** Tells kernels that wait for a peer to quit. */
    protected abstract void quit();

    /**
     * The step's gradient norm and clip scale, as {@link dev.kindling.device.Ops#gradientNorm} defines them, of gradients
     * that lie in pieces with the ranks. The partial sums of all are added in the order of the ranks.
     *
     * @param pieces F32; on every rank as many, and as long
     */
    public final void gradientNorm(List<Tensor> pieces, float maxNorm) {
        int[] blocks = CudaOptimizer.blocks(pieces);
        int own = Arrays.stream(blocks).sum();
        long bytes = (long) Double.BYTES * own;
        long partial = context.scratch(bytes * worldSize());
        optimizer.partialSquares(pieces, blocks, partial + bytes * rank());
        fork();
        allGatherBytes(partial, bytes);
        join();
        optimizer.finish(partial, own * worldSize(), maxNorm);
    }

    /** The length of a rank's piece. */
    protected final long piece(Tensor whole) {
        if (whole.count() % worldSize() != 0) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "%d ranks do not divide %s", worldSize(), whole));
        }
        return whole.count() / worldSize();
    }

    /** The stream of the collectives goes on when the device has done what it was given so far. */
    protected final void fork(Tensor... tensors) {
        TensorChecks.dense(tensors);
        if (broken) {
            throw new CollectiveException("the group of ranks has broken up");
        }
        context.bind();
        CudaCall.check(JCudaDriver.cuEventRecord(forked, context.stream()), "mark the work before a collective");
        CudaCall.check(JCudaDriver.cuStreamWaitEvent(stream, forked, 0), "let a collective wait");
    }

    /** The device goes on when all collectives so far are done. */
    public final void join() {
        context.bind();
        CudaCall.check(JCudaDriver.cuEventRecord(joined, stream), "mark the end of the collectives");
        CudaCall.check(JCudaDriver.cuStreamWaitEvent(context.stream(), joined, 0), "let the device wait for them");
    }

    public final int rank() {
        return group.rank();
    }

    public final int worldSize() {
        return group.worldSize();
    }

    protected final RankGroup group() {
        return group;
    }

    protected final CudaContext context() {
        return context;
    }

    protected final CudaStream stream() {
        return stream;
    }

    /** From now on the group is looked after while the device is waited for: {@code check} throws when it has broken up. */
    protected final void watch(Runnable check) {
        context.watch(() -> {
            try {
                check.run();
            } catch (RuntimeException e) {
                breakUp();
                throw e;
            }
        });
    }

    /** The group has broken up: no further collective, and no long wait for those that are enqueued. */
    protected final void breakUp() {
        if (!broken) {
            broken = true;
            context.watch(null);
            context.hurry(QUIT_PATIENCE);
            quit();
        }
    }

    /** Whether the work on the collectives' stream is done before {@code over}; throws what it has failed with. */
    protected final boolean streamEnds(BooleanSupplier over) {
        context.bind();
        int state;
        while ((state = JCudaDriver.cuStreamQuery(stream)) == CUresult.CUDA_ERROR_NOT_READY) {
            if (over.getAsBoolean()) {
                return false;
            }
            pause();
        }
        CudaCall.check(state, "finish the collectives on %s", context.info());
        return true;
    }

    private static void pause() {
        try {
            Thread.sleep(2);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Frees what an implementation holds, after {@link #quit}. Bounded. */
    protected abstract void release();

    /** Leaves the group, whatever its other ranks do. Bounded. */
    @Override
    public final void close() {
        if (closed) {
            return;
        }
        closed = true;
        breakUp();
        release();
        context.bind();
        int state = JCudaDriver.cuStreamQuery(context.stream());
        if (state != CUresult.CUDA_SUCCESS && state != CUresult.CUDA_ERROR_NOT_READY) {
            group.lastResort().accept("the GPU's context is lost: " + CUresult.stringFor(state));
        }
        context.hurry(null); // the device may be used on, with another group
        List.of(forked, joined).forEach(JCudaDriver::cuEventDestroy);
        JCudaDriver.cuStreamDestroy(stream);
    }
}
