package dev.kindling.data.shard;

import java.util.Objects;

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

    /** Tokens in memory; the array is not copied, so leave it unchanged. */
    static TokenSequence of(int... tokens) {
        return new TokenSequence() {
            @Override
            public long length() {
                return tokens.length;
            }

            @Override
            public void copy(long offset, int length, int[] dst, int dstOffset) {
                Objects.checkFromIndexSize(offset, length, tokens.length);
                System.arraycopy(tokens, (int) offset, dst, dstOffset, length);
            }
        };
    }
}
