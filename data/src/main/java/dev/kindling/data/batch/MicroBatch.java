package dev.kindling.data.batch;

/**
 * One forward pass's input: token ids, and for each the id that follows it, or {@link PackedBatch#NO_TARGET} where
 * nothing does.
 */
public sealed interface MicroBatch permits Batch, PackedBatch {
    int[] inputs();

    int[] targets();
}
