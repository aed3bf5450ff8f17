package dev.kindling.allreduce;

import dev.kindling.device.cpu.rows.Bf16Rows;
import java.util.Arrays;

/** What rounding has taken from the sums of each position, see {@link Rounding}. Thread-safe. */
final class SumResidual {
    private float[] lost = new float[0];

    /**
     * Makes the rounded sum of a sum.
     *
     * @param sum of positions {@code from .. from+count-1}, from its start on; overwritten
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
