package dev.kindling.allreduce;

import java.util.Objects;

/**
 * A rank's operands of a sum, or a window of them: the arrays, equally long, of which the last one receives the sum.
 *
 * @param first the position, in the whole operands, of what the arrays begin with; the same on every rank
 */
// Plain arrays: they are the memory that is summed, compared with nothing.
@SuppressWarnings("ArrayRecordComponent")
public record Operands(float[][] arrays, int first) {
    /** The array that receives the sum. */
    float[] sum() {
        return arrays[arrays.length - 1];
    }

    /** Where a position lies in the arrays. */
    int index(int position) {
        return position - first;
    }

    void requireRange(int position, int length) {
        Objects.checkFromIndexSize(index(position), length, sum().length);
    }
}
