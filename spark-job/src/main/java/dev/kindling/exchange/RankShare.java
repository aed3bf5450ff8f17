package dev.kindling.exchange;

import dev.kindling.allreduce.SumOrder;

/**
 * The micro-batches of every step that one rank computes.
 *
 * @param microBatches of a step over all ranks
 * @param worldSize number of ranks
 * @param first number of this rank's first micro-batch in a step
 * @param count of this rank's micro-batches
 * @param seed of dropout
 */
public record RankShare(int microBatches, int worldSize, int first, int count, long seed) {
    /** Contiguous shares in rank order, as even as they can be. */
    public static RankShare of(int microBatches, int rank, int worldSize, long seed) {
        int first = SumOrder.firstLeaf(microBatches, rank, worldSize);
        int end = SumOrder.firstLeaf(microBatches, rank + 1, worldSize);
        return new RankShare(microBatches, worldSize, first, end - first, seed);
    }
}
