package dev.kindling.nn;

import java.util.Locale;

/**
 * The extents of a micro-batch.
 *
 * @param batch B, sequences
 * @param length T, tokens per sequence
 * @param packedSequences 0 for dense sequences; otherwise all B * T rows are one pack of at most this many
 *     documents, whose boundaries are given by cumulative lengths
 */
public record BatchShape(int batch, int length, int packedSequences) {
    public BatchShape {
        if (batch < 1 || length < 1 || packedSequences < 0) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "a batch of %d x %d, packed %d, has no tokens", batch, length, packedSequences));
        }
    }

    public static BatchShape dense(int batch, int length) {
        return new BatchShape(batch, length, 0);
    }

    public int rows() {
        return Math.multiplyExact(batch, length);
    }

    /** (rows) each token's position in its sequence, where sequences are dense. */
    int[] positions() {
        int[] all = new int[rows()];
        for (int i = 0; i < all.length; i++) {
            all[i] = i % length;
        }
        return all;
    }

    public boolean packed() {
        return packedSequences > 0;
    }
}
