package dev.kindling.allreduce;

/** One range on its way through a {@link MeshAllReduce}, cut into one chunk a rank, and what has become of it. */
final class Bucket {
    /** Null where owners send what they have. */
    private final SumOrder order;

    private final float[][] operands;
    private final int[] owned;
    private final boolean spread;
    private final long sequence;

    private boolean reduced;
    private int results;

    /**
     * @param order null where owners send what they have
     * @param operands of this rank; the last one receives the sum
     * @param owned where each rank's chunk starts, and the end
     * @param spread whether owners send their chunks to all
     */
    Bucket(SumOrder order, float[][] operands, int[] owned, boolean spread, long sequence) {
        this.order = order;
        this.operands = operands;
        this.owned = owned;
        this.spread = spread;
        this.sequence = sequence;
    }

    SumOrder order() {
        return order;
    }

    /** How its chunks travel. */
    Rounding rounding() {
        return order == null ? Rounding.NONE : order.rounding();
    }

    float[][] operands() {
        return operands;
    }

    boolean spread() {
        return spread;
    }

    long sequence() {
        return sequence;
    }

    int start(int rank) {
        return owned[rank];
    }

    int count(int rank) {
        return owned[rank + 1] - owned[rank];
    }

    /** Where the sum goes. */
    float[] data() {
        return operands[operands.length - 1];
    }

    /** This rank's chunk is final. */
    void reduce() {
        reduced = true;
    }

    boolean reduced() {
        return reduced;
    }

    /** The next result is in place. */
    void place() {
        results++;
    }

    /** How many ranks' results are in place, going round from the next rank. */
    int results() {
        return results;
    }

    boolean finished() {
        return reduced && results == owned.length - 2;
    }
}
