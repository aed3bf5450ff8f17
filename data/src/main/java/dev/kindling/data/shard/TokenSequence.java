package dev.kindling.data.shard;

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
}
