package dev.kindling.train;

/** How the gradients of all ranks become their sums, in place: over host memory, or from device to device. */
interface GradientExchange {
    /** The gradient of one of {@link dev.kindling.nn.Parameters#buckets} is complete on this rank. */
    void bucketReady(int index);

    /** All buckets are complete on this rank: returns when the gradients are the sums over all ranks. */
    void finish();
}
