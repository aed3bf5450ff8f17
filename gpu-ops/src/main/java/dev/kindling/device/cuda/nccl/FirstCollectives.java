package dev.kindling.device.cuda.nccl;

import dev.kindling.device.cuda.collective.RankGroup;
import dev.kindling.tensor.DType;
import java.util.ArrayList;
import java.util.List;

/**
 * NCCL makes further connections at the first sums of each size, and between two ranks when they first exchange something.
 * These collectives make them all while a group is joined, where the wait for a peer is bounded.
 */
final class FirstCollectives {
    private static final int[] COUNTS = {1, 1 << 16, 1 << 22};
    private static final int LONGEST = COUNTS[COUNTS.length - 1];

    /** What {@link #enqueue} needs of device memory. */
    static final long BYTES = (long) DType.F32.bytes() * LONGEST;

    private FirstCollectives() {}

    /** Every rank calls it. The values that are summed mean nothing. */
    static void enqueue(NcclLibrary library, NcclLibrary.Lane lane, RankGroup group, long address) {
        for (int count : COUNTS) {
            library.allReduce(lane, address, address, count, DType.F32);
            long piece = Math.max(1, count / group.worldSize());
            long own = address + piece * group.rank() * DType.F32.bytes();
            library.reduceScatter(lane, address, own, piece, DType.F32);
            library.allGather(lane, own, address, piece, DType.F32);
        }
        exchange(library, lane, group, address);
    }

    private static void exchange(NcclLibrary library, NcclLibrary.Lane lane, RankGroup group, long address) {
        long count = LONGEST / group.worldSize();
        List<NcclLibrary.Transfer> sends = new ArrayList<>();
        List<NcclLibrary.Transfer> receives = new ArrayList<>();
        for (int peer = 0; peer < group.worldSize(); peer++) {
            if (peer != group.rank()) {
                sends.add(new NcclLibrary.Transfer(address + group.rank() * count * Float.BYTES, count, peer));
                receives.add(new NcclLibrary.Transfer(address + peer * count * Float.BYTES, count, peer));
            }
        }
        library.exchange(lane, DType.F32, sends, receives);
    }
}
