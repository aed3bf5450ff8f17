package dev.kindling.device;

import java.util.Locale;

/**
 * Where and how strongly to drop. Every device and backend draws the same mask: Philox4x32-10 (Salmon et al., SC 2011),
 * key = (seed low, seed high), counter = (block low, block high, {@code site}, stream), seed and stream from {@link
 * StepInputs}. A call gives four words = eight 16-bit decisions (word w: low half is decision 2w, high half 2w+1); a
 * value is kept if and only if its decision is not below {@link #threshold}, and then multiplied by {@link #keptScale}.
 *
 * <p>Elementwise, element e of a dense tensor: block e / 8, decision e % 8. Attention probability (b, h, row, col) of
 * lengths Tq, Tk: block = (((b H + h) Tq + row) ceil(Tk / 32) + col / 32) 4 + (col % 8) / 2, decision = ((col % 32) /
 * 8) 2 + col % 2: one call serves one thread's eight accumulators of an m16n8 tile row. Packed sequences: b is the
 * sequence, row and col count within it, Tq and Tk are the longest length.
 *
 * @param probability of dropping a value, 0 (no dropout) to below 1; rounded to 1/65536
 * @param site which dropout of the model this is, so that no two share a mask
 */
public record Dropout(float probability, int site) {
    public static final Dropout NONE = new Dropout(0, 0);

    public Dropout {
        if (!(probability >= 0 && probability < 1)) {
            throw new IllegalArgumentException(String.format(Locale.ROOT, "dropout %s is not in [0, 1)", probability));
        }
    }

    public boolean active() {
        return threshold() > 0;
    }

    public int threshold() {
        return Math.round(probability * 65536);
    }

    public float keptScale() {
        return 65536f / (65536 - threshold());
    }
}
