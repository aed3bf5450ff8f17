package dev.kindling.allreduce;

import dev.kindling.device.cpu.rows.Bf16Rows;
import java.util.Arrays;

/** The residuals of the sums, by position: what rounding them has lost so far, see {@link Rounding}. Thread-safe. */
final class SumResidual {
    private float[] lost = new float[0];

    /**
     * Adds the residual to a sum, rounds it as {@code rounding} says, and keeps the new residual.
     *
     * @param sum of positions {@code from .. from+count-1}, in its first {@code count} elements; overwritten
     */
    synchronized void round(Rounding rounding, float[] sum, int from, int count) {
        if (rounding == Rounding.NONE) {
            return;
        }
        if (lost.length < from + count) {
            lost = Arrays.copyOf(lost, Math.max(from + count, lost.length + (lost.length >> 1)));
        }
        if (rounding == Rounding.BF16) {
            Bf16Rows.round(sum, 0, lost, from, count);
        } else {
            for (int i = 0; i < count; i++) {
                sum[i] += lost[from + i];
            }
            Arrays.fill(lost, from, from + count, 0);
        }
    }
}
