package dev.kindling.exchange;

import dev.kindling.allreduce.Rounding;

/** How the gradients of all ranks become their sums, in place: over host memory, or from device to device. */
public interface GradientExchange {
    /** What carries the gradients: driver, ring, nccl; single where there is one rank. */
    String name();

    /** Do the calls only enqueue work on the device, so that they are captured with the backward pass? */
    boolean onDevice();

    /**
     * The gradient of one of {@link dev.kindling.nn.Parameters#buckets} is complete on this rank.
     *
     * @param rounding of this step, the same for all its buckets
     */
    void bucketReady(int index, Rounding rounding);

    /**
     * All buckets are complete on this rank: returns when the gradients are, or on the device will be, the sums over all
     * ranks.
     */
    void finish(Rounding rounding);

    /** Nanoseconds that the last step waited here on the host; 0 where gradients travel between devices. */
    default long waitedNanos() {
        return 0;
    }
}
