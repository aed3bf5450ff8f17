package dev.kindling.data.shard;

import java.util.List;

/** Token ids with random access by a 64-bit offset. Safe to share between threads. */
public interface TokenSequence {
    /** Number of tokens. */
    long length();

    /** What they are, for messages: {@code the val split}. */
    default String name() {
        return "the sequence";
    }

    /**
     * Overwrites {@code dst[dstOffset, dstOffset + length)} with the tokens from {@code offset} on.
     *
     * @throws IndexOutOfBoundsException if either range is out of bounds
     */
    void copy(long offset, int length, int[] dst, int dstOffset);

    /**
     * Tokens that are wanted.
     *
     * @param offset of the first
     * @param length how many
     * @param dstOffset where they go
     */
    record Slice(long offset, int length, int dstOffset) {}

    /** As {@link #copy} of every slice; what has to be fetched from a store is fetched side by side. */
    default void copyAll(List<Slice> slices, int[] dst) {
        for (Slice slice : slices) {
            copy(slice.offset(), slice.length(), dst, slice.dstOffset());
        }
    }
}
