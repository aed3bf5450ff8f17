package dev.kindling.data.batch;

/**
 * Sequences of different lengths, one after the other with nothing between them (a packed, or nested,
 * batch); attention must not look from one into another. The arrays belong to whoever receives it.
 *
 * @param inputs (N) ids; N is the same for every batch of a sampler
 * @param targets (N) the token that follows each input in its document, or {@link #NO_TARGET} at a
 *     document's end
 * @param positions (N) 0, 1, 2, ... from the beginning of each sequence
 * @param cumulativeLengths (sequences + 1) where each sequence begins, then N
 * @param maxLength tokens in the longest sequence
 */
// Plain arrays: a batch is a buffer on the hot path, compared with nothing.
@SuppressWarnings("ArrayRecordComponent")
public record PackedBatch(int[] inputs, int[] targets, int[] positions, int[] cumulativeLengths, int maxLength)
        implements MicroBatch {
    /** The target that adds nothing to the loss. */
    public static final int NO_TARGET = -1;
}
