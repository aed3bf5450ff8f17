package dev.kindling.data.shard;

import java.util.Objects;

/**
 * Tokens whose documents begin with the end-of-text id, as llm.c has them, of tokens whose documents end with it: one is
 * put before all, and the last one left out.
 */
public final class BegunDocuments implements TokenSequence {
    private final TokenSequence ended;
    private final int endOfText;
    private final long length;

    public BegunDocuments(TokenSequence ended, int endOfText) {
        this.ended = ended;
        this.endOfText = endOfText;
        int[] last = new int[1];
        ended.copy(ended.length() - 1, 1, last, 0);
        length = ended.length() + (last[0] == endOfText ? 0 : 1);
    }

    @Override
    public long length() {
        return length;
    }

    @Override
    public void copy(long offset, int count, int[] dst, int dstOffset) {
        Objects.checkFromIndexSize(offset, count, length);
        if (count > 0 && offset == 0) {
            dst[dstOffset] = endOfText;
            ended.copy(0, count - 1, dst, dstOffset + 1);
        } else {
            ended.copy(offset - 1, count, dst, dstOffset);
        }
    }
}
