package dev.kindling.device.cuda.peer;

import dev.kindling.device.cuda.CudaMemory;
import dev.kindling.device.cuda.collective.RankGroup;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.device.cuda.library.CudaException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import jcuda.Pointer;
import jcuda.driver.JCudaDriver;

/** One range of device memory of each rank of a group, as long on all, mapped into this process. */
final class MappedMemory implements AutoCloseable {
    private final int rank;
    /** Where the ranges begin here, by rank. */
    private final long[] addresses;
    /** Where the allocations that hold them begin here; 0 for what is not mapped, such as this rank's own. */
    private final long[] bases;

    private final CudaMemory memory;
    private final List<CudaMemory.Allocation> tables = new ArrayList<>();
    private long table;

    private MappedMemory(CudaMemory memory, int rank, int worldSize) {
        this.memory = memory;
        this.rank = rank;
        addresses = new long[worldSize];
        bases = new long[worldSize];
    }

    /**
     * Every rank calls it together.
     *
     * @param memory of this rank's device
     * @param address of this rank's range
     * @param tellAll gives every rank the bytes of all, by rank
     * @throws PeerAccessException on all ranks alike, if one of them cannot map another's
     */
    static MappedMemory of(CudaMemory memory, long address, RankGroup group, Function<byte[], byte[][]> tellAll) {
        MappedMemory mapped = new MappedMemory(memory, group.rank(), group.worldSize());
        mapped.addresses[group.rank()] = address;
        String problem = "";
        byte[] offer = new byte[0];
        try {
            long base = Ipc.base(address);
            offer = ByteBuffer.allocate(Ipc.HANDLE_BYTES + Long.BYTES)
                    .put(Ipc.handle(base))
                    .putLong(address - base)
                    .array();
        } catch (CudaException e) {
            problem = "rank " + group.rank() + " cannot share its memory: " + e.getMessage();
        }
        try {
            mapped.openAll(tellAll.apply(offer), problem, tellAll);
            mapped.table = mapped.table(0);
            return mapped;
        } catch (RuntimeException e) { // else the memory of a rank that is lost would stay taken
            mapped.close();
            throw e;
        }
    }

    /** @param problem of this rank's own memory, or empty */
    private void openAll(byte[][] offers, String problem, Function<byte[], byte[][]> tellAll) {
        String found = problem;
        for (int peer = 0; peer < offers.length && found.isEmpty(); peer++) {
            if (peer != rank) {
                found = open(peer, offers[peer]);
            }
        }
        PeerAccessException.throwOnAll(found, tellAll);
    }

    /** What went wrong, or an empty text. */
    private String open(int peer, byte[] offer) {
        if (offer.length == 0) {
            return ""; // it says itself why
        }
        ByteBuffer from = ByteBuffer.wrap(offer);
        byte[] handle = new byte[Ipc.HANDLE_BYTES];
        from.get(handle);
        try {
            bases[peer] = Ipc.open(handle);
        } catch (CudaException e) {
            return String.format(
                    Locale.ROOT, "rank %d cannot read the memory of rank %d: %s", rank, peer, e.getMessage());
        }
        addresses[peer] = bases[peer] + from.getLong();
        return "";
    }

    /** Where a rank's range begins here. */
    long address(int ofRank) {
        return addresses[ofRank];
    }

    /** The address, on the device, of the addresses of all ranks' ranges. */
    long table() {
        return table;
    }

    /** The same, so many bytes into the ranges: a table of its own. */
    long table(long offset) {
        long[] values = new long[addresses.length];
        Arrays.setAll(values, ofRank -> addresses[ofRank] + offset);
        long bytes = (long) Long.BYTES * values.length;
        CudaMemory.Allocation table = memory.allocate("addresses of ranks", bytes);
        tables.add(table);
        CudaCall.check(
                JCudaDriver.cuMemcpyHtoD(table.address(), Pointer.to(values), bytes), "upload the addresses of ranks");
        return table.address().value();
    }

    /** Unmaps the others', and frees the tables. */
    @Override
    public void close() {
        for (long base : bases) {
            if (base != 0) {
                Ipc.close(base);
            }
        }
        Arrays.fill(bases, 0);
        tables.forEach(memory::free);
        tables.clear();
    }
}
