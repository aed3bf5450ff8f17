package dev.kindling.device.cuda.peer;

import dev.kindling.device.cuda.CudaBuffer;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.CudaMemory;
import dev.kindling.device.cuda.CudaPeerSums;
import dev.kindling.device.cuda.DeviceAddress;
import dev.kindling.device.cuda.collective.CollectiveException;
import dev.kindling.device.cuda.collective.Collectives;
import dev.kindling.device.cuda.collective.RankGroup;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.device.cuda.library.CudaException;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
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
 * <p>A sum goes in three parts, with a barrier of all ranks before, between and after: each rank copies the other ranks'
 * summands of its own piece to itself and adds them up in the order of the ranks, then copies the others' pieces of the
 * sum. Copies are made by the GPU's copy engines. What is not announced by {@link #share}, or small, goes through a slot
 * of each rank instead. So with any number of ranks all sums have the bits of a plain loop over the ranks.
 */
public final class PeerCollectives extends Collectives {
    public static final int MOST_RANKS = CudaPeerSums.MOST_RANKS;

    private static final Duration CONNECT_PATIENCE = Duration.ofSeconds(60);
    /** Where summands of other ranks wait to be added. */
    private static final long STAGING_BYTES = 64 << 20;
    /** The count of barriers, then the slot. Of its own size, so that no other memory is shared with it. */
    private static final long MAILBOX_BYTES = 2 << 20;

    private static final long SLOT = 4096;
    private static final long SLOT_BYTES = MAILBOX_BYTES - SLOT;
    /** Smaller tensors go through the slot: one copy and one barrier less. */
    private static final long SMALL_BYTES = 256 << 10;
    /** Pieces of a sum start at multiples of this many elements. */
    private static final int UNIT = 16;

    private final Function<byte[], byte[][]> tellAll;
    private final CudaPeerSums kernels;
    private final List<CudaMemory.Allocation> memory = new ArrayList<>();
    private final Map<String, MappedMemory> shared = new HashMap<>();
    private final Pointer pinned = new Pointer();
    private ByteBuffer broken;
    private long brokenAddress;
    private long staging;
    private MappedMemory mailboxes;
    private long mailboxTable;
    private long slotTable;

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
        CudaCall.check(
                JCudaDriver.cuMemHostAlloc(pinned, Integer.BYTES, JCudaDriver.CU_MEMHOSTALLOC_DEVICEMAP),
                "pin a word of host memory");
        broken = pinned.getByteBuffer(0, Integer.BYTES).order(ByteOrder.nativeOrder());
        broken.putInt(0, 0);
        DeviceAddress device = new DeviceAddress();
        CudaCall.check(JCudaDriver.cuMemHostGetDevicePointer(device, pinned, 0), "map a word of host memory");
        brokenAddress = device.value();
        staging = allocate("summands of other ranks", STAGING_BYTES);
        long mailbox = allocate("mailbox", MAILBOX_BYTES);
        CudaCall.check(
                JCudaDriver.cuMemsetD8Async(pointer(mailbox), (byte) 0, MAILBOX_BYTES, stream()), "clear the mailbox");
        awaitStream("clear a mailbox");
        mailboxes = MappedMemory.of(mailbox, group(), tellAll);
        mailboxTable = table("mailboxes", 0);
        slotTable = table("slots", SLOT);
        exchangeFirst();
        watch(group().liveness());
    }

    /** The first exchange: waits for all ranks, bounded, and checks that each reads what the others have written. */
    private void exchangeFirst() {
        int[] own = {rank() + 1};
        long numbers = allocate("ranks", (long) Integer.BYTES * worldSize());
        CudaCall.check(
                JCudaDriver.cuMemcpyHtoD(
                        pointer(numbers + (long) Integer.BYTES * rank()), Pointer.to(own), Integer.BYTES),
                "upload a rank");
        allGatherBytes(numbers, Integer.BYTES);
        awaitStream("answer its peers");
        int[] all = new int[worldSize()];
        CudaCall.check(
                JCudaDriver.cuMemcpyDtoH(Pointer.to(all), pointer(numbers), (long) Integer.BYTES * all.length),
                "download the ranks");
        for (int r = 0; r < all.length; r++) {
            if (all[r] != r + 1) {
                throw new CollectiveException(String.format(
                        Locale.ROOT,
                        "rank %d does not read what rank %d writes; set cluster.allreduce to nccl or ring",
                        rank(),
                        r));
            }
        }
    }

    private void awaitStream(String what) {
        long end = System.nanoTime() + CONNECT_PATIENCE.toNanos();
        boolean done = streamEnds(() -> {
            group().liveness().run();
            return System.nanoTime() - end > 0;
        });
        if (!done) {
            throw new CollectiveException(String.format(
                    Locale.ROOT,
                    "the GPU of rank %d did not %s within %d s; set cluster.allreduce to nccl or ring",
                    rank(),
                    what,
                    CONNECT_PATIENCE.toSeconds()));
        }
    }

    private long allocate(String name, long bytes) {
        CudaMemory.Allocation allocation = context().memory().allocate(name, bytes);
        memory.add(allocation);
        return allocation.address().value();
    }

    /** The address, on the device, of the ranks' mailboxes, so many bytes into them. */
    private long table(String name, long offset) {
        long[] addresses = mailboxes.addresses();
        for (int r = 0; r < addresses.length; r++) {
            addresses[r] += offset;
        }
        long bytes = (long) Long.BYTES * addresses.length;
        long table = allocate(name, bytes);
        CudaCall.check(JCudaDriver.cuMemcpyHtoD(pointer(table), Pointer.to(addresses), bytes), "upload the %s", name);
        return table;
    }

    @Override
    public String name() {
        return "peer";
    }

    @Override
    public void share(Tensor whole) {
        context().bind();
        String name = whole.buffer().name();
        MappedMemory old = shared.remove(name);
        if (old != null) {
            old.close();
        }
        shared.put(name, MappedMemory.of(CudaBuffer.address(whole), group(), tellAll));
    }

    @Override
    public void allReduce(Tensor x) {
        fork(x);
        MappedMemory peers = peers(x);
        if (peers == null) {
            throughSlots(x, false);
            return;
        }
        barrier();
        sumOwn(x, peers, start(x, rank()), start(x, rank() + 1));
        barrier();
        for (int peer : others()) {
            pull(x, peers, peer, start(x, peer), start(x, peer + 1));
        }
        barrier();
    }

    @Override
    public void maximum(Tensor x) {
        fork(x);
        throughSlots(x, true);
    }

    @Override
    public void reduceScatter(Tensor whole) {
        long count = piece(whole);
        MappedMemory peers = peers(whole);
        if (peers == null) {
            allReduce(whole);
            return;
        }
        fork(whole);
        barrier();
        sumOwn(whole, peers, count * rank(), count * (rank() + 1));
        barrier();
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
        MappedMemory peers = peers(whole);
        if (peers == null) {
            allGatherBytes(CudaBuffer.address(whole), count * whole.dtype().bytes());
            return;
        }
        barrier();
        for (int peer : others()) {
            if (receives) {
                pull(whole, peers, peer, count * peer, count * (peer + 1));
            }
        }
        barrier();
    }

    /** Where the ranks' tensors lie, or null for what goes through the slots. */
    private MappedMemory peers(Tensor x) {
        boolean small = x.dtype() == DType.F32 && x.count() * Float.BYTES < SMALL_BYTES;
        return small ? null : shared.get(x.buffer().name());
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

    private void barrier() {
        kernels.barrier(mailboxTable, brokenAddress, rank(), worldSize());
    }

    /** This rank's elements {@code from .. to - 1} of a shared tensor = their sum over the ranks. */
    private void sumOwn(Tensor x, MappedMemory peers, long from, long to) {
        int size = x.dtype().bytes();
        long stride = STAGING_BYTES / size / (worldSize() - 1) / UNIT * UNIT;
        for (long at = from; at < to; at += stride) {
            long count = Math.min(stride, to - at);
            for (int peer : others()) {
                long place = staging + (peer < rank() ? peer : peer - 1) * stride * size;
                copy(place, address(x, peers, peer) + at * size, count * size);
            }
            kernels.sum(
                    new CudaPeerSums.Summands(
                            x.dtype(), CudaBuffer.address(x) + at * size, staging, stride, rank(), worldSize()),
                    count);
        }
    }

    private void pull(Tensor x, MappedMemory peers, int peer, long from, long to) {
        int size = x.dtype().bytes();
        copy(CudaBuffer.address(x) + from * size, address(x, peers, peer) + from * size, (to - from) * size);
    }

    /** Where a part of a shared tensor lies with a peer. */
    private long address(Tensor part, MappedMemory peers, int peer) {
        return peers.address(peer) + CudaBuffer.address(part) - peers.address(rank());
    }

    private void throughSlots(Tensor x, boolean largest) {
        if (x.dtype() != DType.F32) {
            throw new IllegalArgumentException(x + " is neither shared nor F32");
        }
        long most = SLOT_BYTES / Float.BYTES;
        for (long at = 0; at < x.count(); at += most) {
            long count = Math.min(most, x.count() - at);
            long address = CudaBuffer.address(x) + at * Float.BYTES;
            copy(mailboxes.address(rank()) + SLOT, address, count * Float.BYTES);
            barrier();
            kernels.combine(largest, address, slotTable, worldSize(), count);
            barrier();
        }
    }

    @Override
    protected void allGatherBytes(long address, long bytes) {
        for (long at = 0; at < bytes; at += SLOT_BYTES) {
            long count = Math.min(SLOT_BYTES, bytes - at);
            copy(mailboxes.address(rank()) + SLOT, address + rank() * bytes + at, count);
            barrier();
            for (int peer : others()) {
                copy(address + peer * bytes + at, mailboxes.address(peer) + SLOT, count);
            }
            barrier();
        }
    }

    private void copy(long to, long from, long bytes) {
        if (bytes > 0) {
            CudaCall.check(
                    JCudaDriver.cuMemcpyAsync(pointer(to), pointer(from), bytes, stream()),
                    "copy %,d bytes between ranks",
                    bytes);
        }
    }

    @Override
    protected void quit() {
        if (broken != null) {
            broken.putInt(0, 1);
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
        memory.forEach(context().memory()::free);
        if (broken != null) {
            CudaCall.check(JCudaDriver.cuMemFreeHost(pinned), "free pinned memory");
        }
    }

    private static CUdeviceptr pointer(long address) {
        return new CUdeviceptr().withByteOffset(address);
    }
}
