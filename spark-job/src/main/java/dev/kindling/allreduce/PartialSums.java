package dev.kindling.allreduce;

import java.util.Arrays;

/** The stack of partial sums of one reduction, see {@link SumOrder}. Reuses its arrays. For one thread at a time. */
final class PartialSums {
    private float[][] sums = new float[2][0];
    private int held;

    /** Pushes an array for the next operand, of at least {@code count} floats, which the caller fills. */
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

    /** Replaces the two newest sums by their sum (older + newer), {@code times} times. */
    void join(int times, int count) {
        for (int i = 0; i < times; i++) {
            held--;
            Floats.add(sums[held - 1], sums[held], count);
        }
    }

    /** Pops the one sum that is left; it is valid until the next operand. */
    float[] take() {
        if (held != 1) {
            throw new IllegalStateException(held + " partial sums are left where one should be");
        }
        held = 0;
        return sums[0];
    }
}
