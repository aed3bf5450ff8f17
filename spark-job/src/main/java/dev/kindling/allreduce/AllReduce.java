package dev.kindling.allreduce;

import dev.kindling.allreduce.link.AllReduceException;
import dev.kindling.allreduce.link.Header;
import java.nio.ByteBuffer;

/**
 * Collective operations of the ranks of one generation. Every rank must call the same operations with the same lengths
 * in the same order. Sums are in float and in a fixed {@link SumOrder}, so that
 * every implementation gives the same bits on every rank, whatever the timing.
 *
 * <p>Used by one thread (the training thread); the transport has threads of its own. All waits are bounded: a lost or
 * silent peer ends in an {@link AllReduceException} that names it. After that the object can only be closed.
 */
public interface AllReduce extends AutoCloseable {
    /** The largest payload of all ranks together. */
    int MAX_GATHERED_BYTES = 1 << 30;

    /** The largest payload of {@link #allGather(byte[])}, in bytes: those of all ranks have to fit into one message. */
    static int maxGatherBytes(int worldSize) {
        return Math.min(Header.MAX_GATHER_BYTES, MAX_GATHERED_BYTES / worldSize);
    }

    /** The name in the configuration: driver or ring; single where there is one rank. */
    String name();

    /** This rank, 0 .. worldSize-1. */
    int rank();

    /** Number of ranks. */
    int worldSize();

    /**
     * Starts to sum the positions [offset, offset+length) of the operands of all ranks and returns at once, so that the
     * backward pass can go on. They are in flight until {@link #await()} returns: do not read or write them.
     *
     * @param operands this rank's operands, as many as {@code order} says, or the window of them that holds the positions;
     *     the last one receives the sum
     * @return what {@link #await(long)} takes, to wait for this sum and those before it
     */
    long submit(SumOrder order, Operands operands, int offset, int length);

    /** The same with whole operands. */
    default long submit(SumOrder order, float[][] operands, int offset, int length) {
        return submit(order, new Operands(operands, 0), offset, length);
    }

    /**
     * A reduce-scatter: like {@link #submit(SumOrder, Operands, int, int)}, but of the sum each rank receives only
     * what it owns, positions {@code bounds[rank] .. bounds[rank+1]-1}. The rest of the range is undefined until {@link
     * #allGather(float[], int[])}.
     *
     * @param bounds ascending, the same on every rank, one more than there are ranks
     */
    default long submitScatter(SumOrder order, Operands operands, int offset, int length, int[] bounds) {
        return submit(order, operands, offset, length);
    }

    /**
     * An all-gather: every rank receives, for each rank r, r's values of data[bounds[r] .. bounds[r+1]). Nothing may be
     * in flight. Bounded.
     *
     * @param bounds ascending, the same on every rank, one more than there are ranks
     */
    default void allGather(float[] data, int[] bounds) {
        gatherPieces(data, bounds[rank()], bounds, data);
    }

    /**
     * A gather: rank 0 receives the slices of all ranks, one after another, in {@code whole}; the other ranks only send
     * theirs. Nothing may be in flight. Bounded.
     *
     * @param own this rank's slice, bounds[rank+1] - bounds[rank] floats
     * @param whole bounds[worldSize] floats on rank 0, ignored elsewhere
     * @param bounds ascending from 0, the same on every rank, one more than there are ranks
     */
    default void gather(float[] own, float[] whole, int[] bounds) {
        gatherPieces(own, 0, bounds, rank() == 0 ? whole : null);
    }

    private void gatherPieces(float[] from, int offset, int[] bounds, float[] into) {
        int longest = 0;
        for (int r = 0; r < worldSize(); r++) {
            longest = Math.max(longest, bounds[r + 1] - bounds[r]);
        }
        Pieces.forEach(longest, maxGatherBytes(worldSize()) / Float.BYTES, (at, most) -> {
            int own = Math.min(most, Math.max(0, bounds[rank() + 1] - bounds[rank()] - at));
            byte[] bytes = new byte[own * Float.BYTES];
            ByteBuffer.wrap(bytes).asFloatBuffer().put(from, own == 0 ? 0 : offset + at, own);
            byte[][] all = allGather(bytes);
            for (int r = 0; r < worldSize() && into != null; r++) {
                int count = Math.min(most, Math.max(0, bounds[r + 1] - bounds[r] - at));
                if (all[r].length != count * Float.BYTES) {
                    throw new AllReduceException("rank " + r + " gave " + all[r].length / Float.BYTES
                            + " values where this rank expects " + count);
                }
                ByteBuffer.wrap(all[r]).asFloatBuffer().get(into, count == 0 ? 0 : bounds[r] + at, count);
            }
        });
    }

    /** Throws an {@link IllegalArgumentException} if a payload is larger than {@link #maxGatherBytes}. */
    static void requireGatherable(int bytes, int worldSize) {
        if (bytes > maxGatherBytes(worldSize)) {
            throw new IllegalArgumentException("allGather of " + bytes + " bytes over " + worldSize + " ranks; at most "
                    + maxGatherBytes(worldSize));
        }
    }

    /**
     * Waits until everything submitted is summed and written back. Bounded.
     *
     * @throws AllReduceException naming the peer that is lost, silent, or out of step
     */
    default void await() {
        await(Long.MAX_VALUE);
    }

    /** The same for what was submitted until {@link #submit} returned {@code submitted}. */
    void await(long submitted);

    /**
     * Every rank's payload, by rank, on every rank; at most {@link #maxGatherBytes} each. Nothing may be in flight.
     */
    byte[][] allGather(byte[] payload);

    /** Every rank's values, by rank, bit for bit, on every rank. */
    default double[][] allGather(double[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Double.BYTES);
        bytes.asDoubleBuffer().put(values);
        byte[][] gathered = allGather(bytes.array());
        double[][] all = new double[gathered.length][];
        for (int r = 0; r < all.length; r++) {
            all[r] = new double[gathered[r].length / Double.BYTES];
            ByteBuffer.wrap(gathered[r]).asDoubleBuffer().get(all[r]);
        }
        return all;
    }

    /** Rank 0's payload, on every rank; what the others pass is ignored. */
    default byte[] broadcast(byte[] payload) {
        return allGather(rank() == 0 ? payload : new byte[0])[0];
    }

    /** Returns when every rank has called it. Bounded. */
    default void barrier() {
        allGather(new byte[0]);
    }

    /** Stops the transport. Never blocks on a peer; idempotent. */
    @Override
    void close();
}
