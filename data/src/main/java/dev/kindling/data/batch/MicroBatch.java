package dev.kindling.data.batch;

/** What a model reads at once: ids, and for each the id that follows it, or {@link PackedBatch#NO_TARGET}. */
public sealed interface MicroBatch permits Batch, PackedBatch {
    int[] inputs();

    int[] targets();
}
