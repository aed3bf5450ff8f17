package dev.kindling.device.cuda.nccl;

import dev.kindling.device.cuda.CudaBuffer;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.CudaMemory;
import dev.kindling.device.cuda.CudaRounding;
import dev.kindling.device.cuda.collective.Collectives;
import dev.kindling.device.cuda.collective.RankGroup;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** {@link Collectives} by NCCL, which does not notice a peer's death on the same host: its kernels then run for ever. */
public final class NcclCommunicator extends Collectives {
    private static final Logger LOG = LoggerFactory.getLogger(NcclCommunicator.class);
    /** For connecting: at the first sums of each size NCCL makes further connections. */
    private static final Duration CONNECT_PATIENCE = Duration.ofSeconds(60);

    private final NcclLibrary library;
    private volatile NcclLibrary.Lane lane;
    private NativeCall aborting;

    private NcclCommunicator(CudaDevice device, RankGroup group) {
        super(device, group);
        library = NcclLibrary.load();
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
     * @param id of rank 0's {@link #uniqueId}, the same on every rank; who knows it can join, so keep it secret
     * @throws NcclException if NCCL fails or the others do not come in time
     */
    public static NcclCommunicator open(CudaDevice device, RankGroup group, byte[] id) {
        NcclCommunicator communicator = new NcclCommunicator(device, group);
        try {
            communicator.connect(id);
            return communicator;
        } catch (RuntimeException e) {
            communicator.close();
            throw e;
        }
    }

    @Override
    public String name() {
        return "nccl";
    }

    private void connect(byte[] id) {
        CudaMemory.Allocation scratch = context().memory().allocate("NCCL's first sums", FirstCollectives.BYTES);
        // NCCL's own calls wait for the peers; this thread can look after them meanwhile.
        NativeCall connecting = NativeCall.begin("kindling-nccl-connect", () -> connectNatively(scratch, id));
        try {
            if (!connecting.endsWithin(CONNECT_PATIENCE, group().liveness())) {
                throw new NcclException(String.format(
                        Locale.ROOT,
                        "NCCL did not connect the %d ranks within %d s; check that their hosts reach each other (NCCL_SOCKET_IFNAME chooses the interface, NCCL_DEBUG=INFO tells more), or set cluster.allreduce to ring",
                        worldSize(),
                        CONNECT_PATIENCE.toSeconds()));
            }
        } catch (RuntimeException e) {
            breakUp();
            if (!connecting.endsWithin(QUIT_PATIENCE)) {
                group().lastResort().accept("NCCL still waits for its peers, after: " + e.getMessage());
            }
            throw e;
        } finally {
            if (!connecting.isAlive()) {
                context().memory().free(scratch);
            }
        }
        connecting.failure().ifPresent(failure -> {
            throw failure;
        });
        watch(this::check);
    }

    private void connectNatively(CudaMemory.Allocation scratch, byte[] id) {
        context().bind();
        lane = new NcclLibrary.Lane(
                library.join(id, rank(), worldSize()), stream().handle());
        FirstCollectives.enqueue(library, lane, group(), scratch.address().value());
        streamEnds(() -> false);
    }

    private void check() {
        group().liveness().run();
        library.failure(lane.communicator()).ifPresent(what -> {
            throw new NcclException("NCCL lost a peer: " + what);
        });
    }

    @Override
    public void allReduce(Tensor x, Beside beside) {
        fork(x);
        long address = CudaBuffer.address(x);
        library.allReduce(lane, address, address, x.count(), x.dtype());
    }

    @Override
    public void maximum(Tensor x) {
        fork(x);
        library.maximum(lane, CudaBuffer.address(x), x.count(), x.dtype());
    }

    @Override
    public void reduceScatter(Tensor whole, Beside beside) {
        long count = piece(whole);
        fork(whole);
        library.reduceScatter(lane, CudaBuffer.address(whole), address(whole, rank()), count, whole.dtype());
    }

    @Override
    public void allGather(Tensor whole) {
        long count = piece(whole);
        fork(whole);
        library.allGather(lane, address(whole, rank()), CudaBuffer.address(whole), count, whole.dtype());
    }

    @Override
    public void gather(Tensor whole) {
        long count = piece(whole);
        fork(whole);
        List<NcclLibrary.Transfer> sends = new ArrayList<>();
        List<NcclLibrary.Transfer> receives = new ArrayList<>();
        if (rank() != 0) {
            sends.add(new NcclLibrary.Transfer(address(whole, rank()), count, 0));
        }
        for (int peer = 1; peer < worldSize() && rank() == 0; peer++) {
            receives.add(new NcclLibrary.Transfer(address(whole, peer), count, peer));
        }
        library.exchange(lane, whole.dtype(), sends, receives);
    }

    @Override
    protected void allGatherBytes(long address, long bytes) {
        long words = bytes / DType.I32.bytes();
        library.allGather(lane, address + bytes * rank(), address, words, DType.I32);
    }

    private long address(Tensor whole, int rank) {
        return CudaBuffer.address(whole) + rank * piece(whole) * whole.dtype().bytes();
    }

    /** Between this rank and others, after what the stream of the collectives was given; {@link #begin} first. */
    void exchange(DType type, List<NcclLibrary.Transfer> sends, List<NcclLibrary.Transfer> receives) {
        library.exchange(lane, type, sends, receives);
    }

    /** What follows on the stream of the collectives comes after what the device was given so far. */
    void begin(Tensor... tensors) {
        fork(tensors);
    }

    /** Rounding on the stream of the collectives. */
    CudaRounding rounding() {
        return new CudaRounding(context(), stream());
    }

    /**
     * NCCL's call returns only when the graphs that captured it are gone, which this thread has yet to see to, so it is made
     * by another.
     */
    @Override
    protected void quit() {
        if (lane != null) {
            aborting = NativeCall.begin("kindling-nccl-abort", () -> {
                context().bind();
                library.abort(lane.communicator());
            });
        }
    }

    @Override
    protected void release() {
        if (aborting != null && !aborting.endsWithin(QUIT_PATIENCE)) {
            group().lastResort().accept("NCCL did not break off within " + QUIT_PATIENCE.toSeconds() + " s");
        } else if (aborting != null) {
            aborting.failure().ifPresent(failure -> LOG.warn("{}", failure.getMessage()));
        }
    }
}
