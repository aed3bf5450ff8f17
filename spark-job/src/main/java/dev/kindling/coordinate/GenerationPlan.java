package dev.kindling.coordinate;

import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.Limits;

/**
 * How a job is run.
 *
 * @param worldSize ranks wanted
 * @param minWorldSize go on with this many, once ranks were lost, when the cluster does not offer more within
 *     {@code limits.slots}
 * @param spares executors that are kept ready beside the ranks
 * @param transport how gradients travel
 * @param maxElements the most floats one step reduces; bounds what a transport may hold
 * @param maxAttempts generations in a row without a newly committed step before the job fails
 * @param limits the bound of every wait
 */
public record GenerationPlan(
        int worldSize,
        int minWorldSize,
        int spares,
        Transport transport,
        long maxElements,
        int maxAttempts,
        Limits limits) {
    /** Without spares. */
    public GenerationPlan(
            int worldSize, int minWorldSize, Transport transport, long maxElements, int maxAttempts, Limits limits) {
        this(worldSize, minWorldSize, 0, transport, maxElements, maxAttempts, limits);
    }

    public GenerationPlan {
        if (worldSize < 1 || minWorldSize < 1 || minWorldSize > worldSize) {
            throw new FatalJobException("cluster.min_executors " + minWorldSize + " must be between 1 and"
                    + " cluster.executors " + worldSize + "; change one of them");
        }
        if (maxAttempts < 1) {
            throw new FatalJobException("maxAttempts " + maxAttempts + " must be at least 1");
        }
    }
}
