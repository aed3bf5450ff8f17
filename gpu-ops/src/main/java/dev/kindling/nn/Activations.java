package dev.kindling.nn;

import java.util.Locale;

/**
 * How much of a micro-batch's activations training holds at a time. Losses and weights do not depend on it, to the bit.
 *
 * @param recompute what backward computes again
 * @param headRows rows of logits that exist at a time, a multiple of {@value #HEAD_SLICE}; 0: all of the micro-batch's
 */
public record Activations(Recompute recompute, int headRows) {
    /**
     * Rows that the classifier takes at a time, whether all logits exist or not. Its products then have the shape of a slice, for
     * which a library takes the same algorithm each time, and the token table's gradient adds up slice by slice; the sum of a
     * product of more rows might have another order. Each further slice reads and writes the table's gradient once more.
     */
    public static final int HEAD_SLICE = 8192;

    /** Everything is kept, and all logits are made at once. */
    public static final Activations WHOLE = new Activations(Recompute.NONE, 0);

    public Activations {
        if (headRows < 0 || headRows % HEAD_SLICE != 0) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "%d rows of logits at a time are not a multiple of %d", headRows, HEAD_SLICE));
        }
    }
}
