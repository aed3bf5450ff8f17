package dev.kindling.device.cuda.peer;

import dev.kindling.device.cuda.CudaBuffer;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.CudaMemory;
import dev.kindling.device.cuda.CudaPeerSums;
import dev.kindling.device.cuda.collective.CollectiveException;
import dev.kindling.device.cuda.collective.Collectives;
import dev.kindling.device.cuda.collective.RankGroup;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.device.cuda.library.CudaException;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.JCudaDriver;

/**
 * {@link Collectives} between GPUs of one host, one process a GPU, that read each other's memory. A rank only reads its
 * peers' memory and writes its own, so that one that was given up, and whose GPU still works, can spoil nothing.
 *
 * <p>A sum goes in two parts, with a barrier of all ranks before, between and after: each rank adds up its own piece of all
 * ranks' summands, then takes the others' pieces of the sum. Beside other work the GPU's copy engines bring what is needed;
 * where the device waits, kernels read it where it lies. What is not announced by {@link #share}, or is small, goes through
 * {@link Mailboxes}. Every sum is made in the order of the ranks, so that with any number of them it has the bits of a plain
 * loop, and of the same sum over the hosts.
 */
public final class PeerCollectives extends Collectives {
    public static final int MOST_RANKS = CudaPeerSums.MOST_RANKS;

    /** For the first exchange, which begins when all ranks are there. */
    private static final Duration CONNECT_PATIENCE = Duration.ofSeconds(20);
    /** Where summands of other ranks wait to be added. */
    private static final long STAGING_BYTES = 64 << 20;
    /** Smaller tensors go through the mailboxes: one copy and one barrier less. */
    private static final long SMALL_BYTES = 256 << 10;
    /** Of what kernels read where it lies. */
    private static final int ALIGNMENT = 16;
    /** Pieces of a sum start at multiples of this many elements. */
    private static final int UNIT = 16;

    private final Function<byte[], byte[][]> tellAll;
    private final CudaPeerSums kernels;
    private final Map<String, MappedMemory> shared = new HashMap<>();
    private Mailboxes mailboxes;
    private CudaMemory.Allocation staging;

    private PeerCollectives(CudaDevice device, RankGroup group, Function<byte[], byte[][]> tellAll) {
        super(device, group);
        this.tellAll = tellAll;
        kernels = new CudaPeerSums(context(), stream());
    }

    /**
     * Connects this rank's GPU with the others; every rank calls it. Bounded.
     *
     * @param tellAll gives every rank the bytes of all, by rank; called by all ranks together, then and in {@link #share}
     * @throws PeerAccessException on all ranks alike, if one of them cannot read another's memory
     */
    public static PeerCollectives open(CudaDevice device, RankGroup group, Function<byte[], byte[][]> tellAll) {
        PeerCollectives opened = new PeerCollectives(device, group, tellAll);
        try {
            opened.connect();
            return opened;
        } catch (RuntimeException e) {
            opened.close();
            throw e;
        }
    }

    private void connect() {
        staging = context().memory().allocate("summands of other ranks", STAGING_BYTES);
        mailboxes = new Mailboxes(context(), stream(), group());
        if (!awaitStream()) {
            throw new CollectiveException("the GPU of rank " + rank() + " does not even clear its own memory");
        }
        mailboxes.map(tellAll);
        PeerAccessException.throwOnAll(exchangeFirst(), tellAll);
        watch(group().liveness());
    }

    /** Whether each reads what the others have written: what went wrong, or an empty text. Waits for all ranks, bounded. */
    private String exchangeFirst() {
        int[] numbers = new int[worldSize()];
        numbers[rank()] = rank() + 1;
        long bytes = (long) Integer.BYTES * numbers.length;
        CUdeviceptr place = staging.address();
        CudaCall.check(JCudaDriver.cuMemcpyHtoD(place, Pointer.to(numbers), bytes), "upload a rank");
        mailboxes.allGather(staging.address().value(), Integer.BYTES);
        if (!awaitStream()) {
            return String.format(
                    Locale.ROOT, "rank %d waited %d s for what the others write", rank(), CONNECT_PATIENCE.toSeconds());
        }
        CudaCall.check(JCudaDriver.cuMemcpyDtoH(Pointer.to(numbers), place, bytes), "download the ranks");
        for (int r = 0; r < numbers.length; r++) {
            if (numbers[r] != r + 1) {
                return String.format(Locale.ROOT, "rank %d does not read what rank %d writes", rank(), r);
            }
        }
        return "";
    }

    /** Whether the stream ends in time. */
    private boolean awaitStream() {
        long end = System.nanoTime() + CONNECT_PATIENCE.toNanos();
        return streamEnds(() -> {
            group().liveness().run();
            return System.nanoTime() - end > 0;
        });
    }

    @Override
    public String name() {
        return "peer";
    }

    @Override
    public void share(Tensor whole) {
        context().bind();
        MappedMemory old = shared.remove(whole.buffer().name());
        if (old != null) {
            old.close();
        }
        MappedMemory mapped = MappedMemory.of(context().memory(), CudaBuffer.address(whole), group(), tellAll);
        shared.put(whole.buffer().name(), mapped);
    }

    @Override
    public void allReduce(Tensor x, Beside beside) {
        fork(x);
        if (shared(x) == null) {
            mailboxes.combine(x, false);
            return;
        }
        mailboxes.barrier();
        sumOwn(x, beside, start(x, rank()), start(x, rank() + 1));
        mailboxes.barrier();
        for (int peer : others()) {
            pull(x, beside, peer, start(x, peer), start(x, peer + 1));
        }
        mailboxes.barrier();
    }

    @Override
    public void maximum(Tensor x) {
        fork(x);
        mailboxes.combine(x, true);
    }

    @Override
    public void reduceScatter(Tensor whole, Beside beside) {
        long count = piece(whole);
        if (shared(whole) == null) {
            allReduce(whole, beside);
            return;
        }
        fork(whole);
        mailboxes.barrier();
        sumOwn(whole, beside, count * rank(), count * (rank() + 1));
        mailboxes.barrier();
    }

    @Override
    public void allGather(Tensor whole) {
        gather(whole, true);
    }

    @Override
    public void gather(Tensor whole) {
        gather(whole, rank() == 0);
    }

    private void gather(Tensor whole, boolean receives) {
        long count = piece(whole);
        fork(whole);
        if (shared(whole) == null) {
            mailboxes.allGather(CudaBuffer.address(whole), count * whole.dtype().bytes());
            return;
        }
        mailboxes.barrier();
        for (int peer : others()) {
            if (receives) {
                pull(whole, Beside.WORK, peer, count * peer, count * (peer + 1));
            }
        }
        mailboxes.barrier();
    }

    /** The tensor that a part belongs to, or null for what goes through the mailboxes. */
    private MappedMemory shared(Tensor part) {
        boolean small = part.dtype() == DType.F32 && part.count() * Float.BYTES < SMALL_BYTES;
        boolean aligned = CudaBuffer.address(part) % ALIGNMENT == 0;
        return small || !aligned ? null : shared.get(part.buffer().name());
    }

    /** Where a rank's part of the sum starts. */
    private long start(Tensor x, int ofRank) {
        return ofRank == worldSize() ? x.count() : x.count() * ofRank / worldSize() / UNIT * UNIT;
    }

    private List<Integer> others() {
        List<Integer> others = new ArrayList<>();
        for (int step = 1; step < worldSize(); step++) {
            others.add((rank() + step) % worldSize()); // so that not all read from one at a time
        }
        return others;
    }

    /** This rank's elements {@code from .. to - 1} of a shared tensor = their sum over the ranks. */
    private void sumOwn(Tensor x, Beside beside, long from, long to) {
        if (beside == Beside.NOTHING) {
            kernels.reduce(part(x, from, to), rank(), worldSize());
            return;
        }
        int size = x.dtype().bytes();
        long stride = STAGING_BYTES / size / (worldSize() - 1) / UNIT * UNIT;
        for (long at = from; at < to; at += stride) {
            long count = Math.min(stride, to - at);
            for (int peer : others()) {
                long place = staging.address().value() + (peer < rank() ? peer : peer - 1) * stride * size;
                mailboxes.copy(place, address(x, peer) + at * size, count * size);
            }
            kernels.sum(
                    new CudaPeerSums.Summands(
                            x.dtype(),
                            CudaBuffer.address(x) + at * size,
                            staging.address().value(),
                            stride,
                            rank(),
                            worldSize()),
                    count);
        }
    }

    private void pull(Tensor x, Beside beside, int peer, long from, long to) {
        if (beside == Beside.NOTHING) {
            kernels.copy(part(x, from, to), rank(), peer);
        } else {
            int size = x.dtype().bytes();
            mailboxes.copy(CudaBuffer.address(x) + from * size, address(x, peer) + from * size, (to - from) * size);
        }
    }

    private CudaPeerSums.Part part(Tensor x, long from, long to) {
        MappedMemory whole = shared(x);
        long before =
                (CudaBuffer.address(x) - whole.address(rank())) / x.dtype().bytes();
        return new CudaPeerSums.Part(x.dtype(), whole.table(), before + from, to - from);
    }

    /** Where a part of a shared tensor lies with a peer. */
    private long address(Tensor part, int peer) {
        MappedMemory whole = shared(part);
        return whole.address(peer) + CudaBuffer.address(part) - whole.address(rank());
    }

    @Override
    protected void allGatherBytes(long address, long bytes) {
        mailboxes.allGather(address, bytes);
    }

    @Override
    protected void quit() {
        if (mailboxes != null) {
            mailboxes.breakUp();
        }
    }

    @Override
    protected void release() {
        long end = System.nanoTime() + QUIT_PATIENCE.toNanos();
        try {
            if (!streamEnds(() -> System.nanoTime() - end > 0)) {
                group().lastResort()
                        .accept("the GPU did not leave off its copies within " + QUIT_PATIENCE.toSeconds() + " s");
                return;
            }
        } catch (CudaException e) {
            group().lastResort().accept(e.getMessage());
            return;
        }
        shared.values().forEach(MappedMemory::close);
        if (mailboxes != null) {
            mailboxes.close();
        }
        if (staging != null) {
            context().memory().free(staging);
        }
    }
}
