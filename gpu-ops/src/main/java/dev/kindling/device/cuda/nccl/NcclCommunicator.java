package dev.kindling.device.cuda.nccl;

import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaBuffer;
import dev.kindling.device.cuda.CudaContext;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.CudaMemory;
import dev.kindling.device.cuda.CudaOptimizer;
import dev.kindling.device.cuda.CudaRounding;
import dev.kindling.device.cuda.CudaStream;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Consumer;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Collectives between the GPUs of a group of ranks, one GPU a rank, by NCCL. They are enqueued on a stream of their own,
 * beside the device's work, and may be captured with it: each waits for what the device was given before, and {@link
 * #join} makes the device wait for them. Every rank enqueues the same operations in the same order. Sums of two ranks
 * have the same bits in every run.
 *
 * <p>NCCL does not notice a peer's death on the same host: its kernels then run for ever. So while the device is waited
 * for, the group's liveness is asked; when it throws, the kernels are told to quit, and the wait ends with what it threw.
 * Used by the device's thread; close it before the device, and after the graphs that captured it.
 */
public final class NcclCommunicator implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(NcclCommunicator.class);
    /** For connecting: at the first sums of each size NCCL makes further connections. */
    private static final Duration CONNECT_PATIENCE = Duration.ofSeconds(60);
    /** For NCCL's kernels and threads to quit once told so. */
    private static final Duration QUIT_PATIENCE = Duration.ofSeconds(5);

    /**
     * A rank's place in its group.
     *
     * @param id of rank 0's {@link #uniqueId}, the same on every rank; who knows it can join, so keep it secret
     * @param liveness asked while ranks or their kernels are waited for; throws when that is pointless
     * @param lastResort called with the reason when NCCL or the GPU cannot be brought to leave off; should end the process
     */
    public record RankGroup(byte[] id, int rank, int worldSize, Runnable liveness, Consumer<String> lastResort) {}

    private final CudaContext context;
    private final RankGroup group;
    private final NcclLibrary library;
    private final CudaOptimizer optimizer;
    private final CudaStream stream = new CudaStream();
    private final CUevent forked = new CUevent();
    private final CUevent joined = new CUevent();
    private volatile NcclLibrary.Lane lane;
    private NativeCall aborting;
    private boolean closed;

    private NcclCommunicator(CudaContext context, RankGroup group) {
        this.context = context;
        this.group = group;
        this.library = NcclLibrary.load();
        this.optimizer = new CudaOptimizer(context);
        context.bind();
        int[] least = new int[1];
        int[] greatest = new int[1];
        CudaCall.check(JCudaDriver.cuCtxGetStreamPriorityRange(least, greatest), "ask for the streams' priorities");
        // Before the compute kernels that wait for a place: a peer's kernel spins until this rank's has one, too.
        CudaCall.check(
                JCudaDriver.cuStreamCreateWithPriority(stream, CUstream_flags.CU_STREAM_NON_BLOCKING, greatest[0]),
                "create NCCL's stream on %s",
                context.info());
        for (CUevent event : new CUevent[] {forked, joined}) {
            CudaCall.check(JCudaDriver.cuEventCreate(event, CUevent_flags.CU_EVENT_DISABLE_TIMING), "create an event");
        }
    }

    /** Why this process cannot use NCCL (no library: it says where it looked), or empty. */
    public static Optional<String> whyNot() {
        return NcclLibrary.whyNot();
    }

    /** NCCL's version, e.g. 2.28.9. */
    public static String version() {
        return NcclLibrary.load().version();
    }

    /** A new group's id, made by its rank 0 and given to the others by a channel that only they can read. */
    public static byte[] uniqueId() {
        return NcclLibrary.load().uniqueId();
    }

    /**
     * Connects this rank's GPU with the others; every rank calls it. Bounded.
     *
     * @throws NcclException if NCCL fails or the others do not come in time
     */
    public static NcclCommunicator open(CudaDevice device, RankGroup group) {
        NcclCommunicator communicator = new NcclCommunicator(device.context(), group);
        try {
            communicator.connect();
            return communicator;
        } catch (RuntimeException e) {
            communicator.close();
            throw e;
        }
    }

    private void connect() {
        CudaMemory.Allocation scratch = context.memory().allocate("NCCL's first sums", FirstCollectives.BYTES);
        // NCCL's own calls wait for the peers; this thread can look after them meanwhile.
        NativeCall connecting = NativeCall.begin("kindling-nccl-connect", () -> connectNatively(scratch));
        try {
            if (!connecting.endsWithin(CONNECT_PATIENCE, group.liveness())) {
                throw new NcclException(String.format(
                        Locale.ROOT,
                        "NCCL did not connect the %d ranks within %d s; check that their hosts reach each other (NCCL_SOCKET_IFNAME chooses the interface, NCCL_DEBUG=INFO tells more), or set cluster.allreduce to ring",
                        group.worldSize(),
                        CONNECT_PATIENCE.toSeconds()));
            }
        } catch (RuntimeException e) {
            abort();
            if (!connecting.endsWithin(QUIT_PATIENCE)) {
                group.lastResort().accept("NCCL still waits for its peers, after: " + e.getMessage());
            }
            throw e;
        } finally {
            if (!connecting.isAlive()) {
                context.memory().free(scratch);
            }
        }
        connecting.failure().ifPresent(failure -> {
            throw failure;
        });
        context.watch(this::check);
    }

    private void connectNatively(CudaMemory.Allocation scratch) {
        context.bind();
        lane = new NcclLibrary.Lane(library.join(group.id(), group.rank(), group.worldSize()), stream.handle());
        FirstCollectives.enqueue(library, lane, group, scratch.address().value());
        while (JCudaDriver.cuStreamQuery(stream) == CUresult.CUDA_ERROR_NOT_READY) {
            NativeCall.pause();
        }
        CudaCall.check(JCudaDriver.cuStreamQuery(stream), "finish NCCL's first sums on %s", context.info());
    }

    private void check() {
        try {
            group.liveness().run();
            library.failure(lane.communicator()).ifPresent(what -> {
                throw new NcclException("NCCL lost a peer: " + what);
            });
        } catch (RuntimeException e) {
            abort();
            throw e;
        }
    }

    /** x = sum over ranks of x, F32 or half precision, once the device has done what it was given so far. */
    public void allReduce(Tensor x) {
        fork(x);
        long address = CudaBuffer.address(x);
        library.allReduce(lane, address, address, x.count(), x.dtype());
    }

    /** x = the largest over ranks of x, as {@link #allReduce}. */
    public void maximum(Tensor x) {
        fork(x);
        library.maximum(lane, CudaBuffer.address(x), x.count(), x.dtype());
    }

    /**
     * to = this rank's piece of the sum over ranks of from, whose pieces lie in the order of the ranks.
     *
     * @param to (from.count / ranks), may be this rank's piece of {@code from}
     */
    public void reduceScatter(Tensor from, Tensor to) {
        checkPieces(from, to);
        fork(from, to);
        library.reduceScatter(lane, CudaBuffer.address(from), CudaBuffer.address(to), to.count(), to.dtype());
    }

    /**
     * to = every rank's {@code from}, in the order of the ranks.
     *
     * @param from (to.count / ranks), may be this rank's piece of {@code to}
     */
    public void allGather(Tensor from, Tensor to) {
        checkPieces(to, from);
        fork(from, to);
        library.allGather(lane, CudaBuffer.address(from), CudaBuffer.address(to), from.count(), from.dtype());
    }

    /**
     * The step's gradient norm and clip scale, as {@link dev.kindling.device.Ops#gradientNorm} defines them, of gradients
     * that lie in pieces with the ranks. The partial sums of all are added in the order of the ranks.
     *
     * @param pieces F32; on every rank as many, and as long
     */
    public void gradientNorm(List<Tensor> pieces, float maxNorm) {
        int[] blocks = CudaOptimizer.blocks(pieces);
        int own = Arrays.stream(blocks).sum();
        long bytes = (long) Double.BYTES * own;
        long partial = context.scratch(bytes * group.worldSize());
        long ofRank = partial + bytes * group.rank();
        optimizer.partialSquares(pieces, blocks, ofRank);
        fork();
        library.allGather(lane, ofRank, partial, bytes / DType.I32.bytes(), DType.I32);
        join();
        optimizer.finish(partial, own * group.worldSize(), maxNorm);
    }

    private void checkPieces(Tensor whole, Tensor piece) {
        if (whole.count() != piece.count() * group.worldSize() || whole.dtype() != piece.dtype()) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "%s is not %d times %s", whole, group.worldSize(), piece));
        }
    }

    /** Between this rank and others, after what the stream of the collectives was given; {@link #fork} first. */
    void exchange(DType type, List<NcclLibrary.Transfer> sends, List<NcclLibrary.Transfer> receives) {
        library.exchange(lane, type, sends, receives);
    }

    int rank() {
        return group.rank();
    }

    int worldSize() {
        return group.worldSize();
    }

    /** Rounding on the stream of the collectives. */
    CudaRounding rounding() {
        return new CudaRounding(context, stream);
    }

    /** NCCL's stream goes on when the device has done what it was given so far. */
    void fork(Tensor... tensors) {
        TensorChecks.dense(tensors);
        if (aborting != null) {
            throw new NcclException("the group of this communicator has broken up");
        }
        context.bind();
        CudaCall.check(JCudaDriver.cuEventRecord(forked, context.stream()), "mark the work before a collective");
        CudaCall.check(JCudaDriver.cuStreamWaitEvent(stream, forked, 0), "let a collective wait");
    }

    /** The device goes on when all collectives so far are done. */
    public void join() {
        context.bind();
        CudaCall.check(JCudaDriver.cuEventRecord(joined, stream), "mark the end of the collectives");
        CudaCall.check(JCudaDriver.cuStreamWaitEvent(context.stream(), joined, 0), "let the device wait for them");
    }

    /**
     * Tells NCCL's kernels to quit. Its call returns only when the graphs that captured it are gone, which this thread
     * has yet to see to, so it is made by another.
     */
    private void abort() {
        if (aborting == null && lane != null) {
            context.watch(null);
            context.hurry(QUIT_PATIENCE);
            aborting = NativeCall.begin("kindling-nccl-abort", () -> {
                context.bind();
                library.abort(lane.communicator());
            });
        }
    }

    /** Leaves the group, whatever its other ranks do. Bounded. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        abort();
        if (aborting != null && !aborting.endsWithin(QUIT_PATIENCE)) {
            group.lastResort().accept("NCCL did not break off within " + QUIT_PATIENCE.toSeconds() + " s");
        } else if (aborting != null) {
            aborting.failure().ifPresent(failure -> LOG.warn("{}", failure.getMessage()));
        }
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
