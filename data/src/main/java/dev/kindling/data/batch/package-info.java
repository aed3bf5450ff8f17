/**
 * Token ids to the batches that a model reads.
 *
 * <p>In: the tokens of a split, and for packing the places where documents begin. Out: micro-batches, either windows of
 * T tokens ({@link dev.kindling.data.batch.Batch}) or whole documents packed side by side ({@link
 * dev.kindling.data.batch.PackedBatch}). A training batch is a pure function of (seed, step, micro-batch), and a
 * validation batch of its number: the same whichever rank draws it and however often a run was stopped.
 *
 * <p>Called by the training loop, by {@code compare} and by {@code evaluate}. Samplers are shared between threads.
 * {@link dev.kindling.data.batch.Prefetcher} draws the next batches on background threads while the device computes.
 */
package dev.kindling.data.batch;
