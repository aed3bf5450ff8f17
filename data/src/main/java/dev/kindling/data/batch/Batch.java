package dev.kindling.data.batch;

/**
 * One micro-batch. The arrays belong to whoever receives it.
 *
 * @param inputs (B, T) ids
 * @param targets (B, T) ids: the token that follows each input
 */
// Plain arrays: a batch is a buffer on the hot path, compared with nothing.
@SuppressWarnings("ArrayRecordComponent")
public record Batch(int[] inputs, int[] targets, int B, int T) implements MicroBatch {}
