package dev.kindling.allreduce;

import java.util.Arrays;

/**
 * One range that a {@link MeshAllReduce} sums, cut into one chunk per rank, and how far it has come. The rank that owns
 * a chunk adds up what all ranks contribute to it.
 */
final class Bucket {
    /** Null for a gather, which sums nothing. */
    private final SumOrder order;

    private final Operands operands;
    private final int[] owned;
    private final boolean spread;
    private final long sequence;

    private boolean reduced;
    private int results;

    /**
     * Begins a bucket.
     *
     * @param order null for a gather: owners send their chunks as they are
     * @param operands of this rank
     * @param owned where each rank's chunk starts, and the end of the last one
     * @param spread whether owners send their chunks to all ranks
     * @param sequence the number of the operation, the same on all ranks
     */
    Bucket(SumOrder order, Operands operands, int[] owned, boolean spread, long sequence) {
        this.order = order;
        this.operands = operands;
        this.owned = owned;
        this.spread = spread;
        this.sequence = sequence;
    }

    SumOrder order() {
        return order;
    }

    /** The form in which its chunks are sent. */
    Rounding rounding() {
        return order == null ? Rounding.NONE : order.rounding();
    }

    float[][] operands() {
        return operands.arrays();
    }

    boolean spread() {
        return spread;
    }

    long sequence() {
        return sequence;
    }

    /** The position of a rank's chunk. */
    int start(int rank) {
        return owned[rank];
    }

    /** Where a rank's chunk lies in the operands' arrays. */
    int index(int rank) {
        return operands.index(owned[rank]);
    }

    int count(int rank) {
        return owned[rank + 1] - owned[rank];
    }

    /** The array that receives the sum. */
    float[] data() {
        return operands.sum();
    }

    /** Marks this rank's own chunk as final: summed, or nothing to sum. */
    void reduce() {
        reduced = true;
    }

    boolean reduced() {
        return reduced;
    }

    /** Counts one more owner's result as copied to its place. */
    void place() {
        results++;
    }

    /** How many owners' results are in place. They are taken in order, beginning with the next rank. */
    int results() {
        return results;
    }

    boolean finished() {
        return reduced && results == owned.length - 2;
    }

    /** The bounds of a range that all ranks own alike. */
    static int[] evenly(int from, int count, int worldSize) {
        int[] bounds = new int[worldSize + 1];
        Arrays.setAll(bounds, rank -> from + (int) ((long) count * rank / worldSize));
        return bounds;
    }

    /** The bounds cut down to a range: the part of it that each rank owns, which may be nothing. */
    static int[] within(int[] bounds, int from, int to) {
        return Arrays.stream(bounds)
                .map(bound -> Math.max(from, Math.min(to, bound)))
                .toArray();
    }
}
