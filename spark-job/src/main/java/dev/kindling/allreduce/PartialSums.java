package dev.kindling.allreduce;

import java.util.Arrays;

/** The partial sums of one reduction as a stack, see {@link SumOrder}; keeps its memory. For one thread at a time. */
final class PartialSums {
    private float[][] sums = new float[2][0];
    private int held;

    /** An array for the next operand, of {@code count} floats or more. */
    float[] next(int count) {
        if (held == sums.length) {
            sums = Arrays.copyOf(sums, held + 1);
            sums[held] = new float[0];
        }
        if (sums[held].length < count) {
            sums[held] = new float[count];
        }
        return sums[held++];
    }

    /** Joins the two newest sums, {@code times} times. */
    void join(int times, int count) {
        for (int i = 0; i < times; i++) {
            held--;
            Floats.add(sums[held - 1], sums[held], count);
        }
    }

    /** The one sum that is left; valid until the next operand. */
    float[] take() {
        if (held != 1) {
            throw new IllegalStateException(held + " partial sums are left where one should be");
        }
        held = 0;
        return sums[0];
    }
}
