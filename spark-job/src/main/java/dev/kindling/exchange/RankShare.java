package dev.kindling.exchange;

import dev.kindling.allreduce.SumOrder;

/**
 * The micro-batches of every step that one rank computes.
 *
 * @param microBatches the number of micro-batches in a step over all ranks
 * @param worldSize the number of ranks
 * @param first the number, counted from 0, of this rank's first micro-batch in a step
 * @param count the number of this rank's micro-batches, 1 or more
 * @param seed the seed of dropout
 */
public record RankShare(int microBatches, int worldSize, int first, int count, long seed) {
    /** Contiguous shares in rank order, as even as they can be. */
    public static RankShare of(int microBatches, int rank, int worldSize, long seed) {
        int first = SumOrder.firstLeaf(microBatches, rank, worldSize);
        int end = SumOrder.firstLeaf(microBatches, rank + 1, worldSize);
        return new RankShare(microBatches, worldSize, first, end - first, seed);
    }
}
