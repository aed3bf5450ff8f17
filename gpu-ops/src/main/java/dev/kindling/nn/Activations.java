package dev.kindling.nn;

import java.util.Locale;

/**
 * How much of a micro-batch's activations training holds at a time.
 *
 * @param recompute what backward computes again
 * @param headRows rows of logits that exist at a time, a multiple of {@value #HEAD_MULTIPLE}; 0: all of the micro-batch's.
 *     The gradient of the token table is then a sum over chunks of rows
 */
public record Activations(Recompute recompute, int headRows) {
    /**
     * The depth at which the CPU's FP32 products cut their sums: chunks of whole multiples give the bits of one product
     * there. On a GPU logits, losses and what the head hands back have those bits where a chunk has some thousand rows; the
     * gradient of the token table does not, as cuBLAS adds up one product's rows in an order of its own, where chunks are
     * added one after another ({@code HeadChunkBench}). To let one product follow the chunks would cost what they cost.
     */
    public static final int HEAD_MULTIPLE = 256;

    /** Everything is kept, and all logits are made at once. */
    public static final Activations WHOLE = new Activations(Recompute.NONE, 0);

    public Activations {
        if (headRows < 0 || headRows % HEAD_MULTIPLE != 0) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "%d rows of logits at a time are not a multiple of %d", headRows, HEAD_MULTIPLE));
        }
    }
}
