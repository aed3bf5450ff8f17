package dev.kindling.data.shard;

import java.util.Objects;

/** Tokens in memory. */
public final class ArrayTokens implements TokenSequence {
    private final int[] tokens;

    private ArrayTokens(int[] tokens) {
        this.tokens = tokens;
    }

    /** The array is not copied, so leave it unchanged. */
    public static TokenSequence of(int... tokens) {
        return new ArrayTokens(tokens);
    }

    @Override
    public long length() {
        return tokens.length;
    }

    @Override
    public void copy(long offset, int length, int[] dst, int dstOffset) {
        Objects.checkFromIndexSize(offset, length, tokens.length);
        System.arraycopy(tokens, (int) offset, dst, dstOffset, length);
    }
}
