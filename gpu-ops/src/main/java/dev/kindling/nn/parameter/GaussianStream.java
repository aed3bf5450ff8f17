package dev.kindling.nn.parameter;

import java.util.Arrays;

/**
 * The values of {@link java.util.Random#nextGaussian}, for any part of a stream. Random makes two values of each pair of
 * uniform numbers within the unit circle and drops the others (Marsaglia's polar method). A pair is four steps of its
 * linear congruential generator, dropped or not, so that any pair is found by a jump, and parts of one stream are drawn side
 * by side.
 */
final class GaussianStream {
    private static final long MULTIPLIER = 0x5DEECE66DL;
    private static final long ADDEND = 0xBL;
    private static final long MASK = (1L << 48) - 1;
    private static final int STEPS_OF_PAIR = 4;

    private final long start;

    /** @param seed of the Random */
    GaussianStream(long seed) {
        start = (seed ^ MULTIPLIER) & MASK;
    }

    /** How many pairs give {@code count} values on average: pi / 4 of them are kept. */
    static long pairs(long count) {
        return (long) Math.ceil(count * (2 / Math.PI));
    }

    /** The values of pairs [first, first + pairs) in their order, each times {@code deviation}. */
    float[] values(long first, int pairs, double deviation) {
        float[] values = new float[2 * pairs];
        int count = 0;
        long state = jump(STEPS_OF_PAIR * first);
        for (int i = 0; i < pairs; i++) {
            long a = next(state);
            long b = next(a);
            long c = next(b);
            state = next(c);
            double x = 2 * uniform(a, b) - 1;
            double y = 2 * uniform(c, state) - 1;
            double square = x * x + y * y;
            if (square < 1 && square != 0) {
                double factor = StrictMath.sqrt(-2 * StrictMath.log(square) / square);
                values[count++] = (float) (deviation * (x * factor));
                values[count++] = (float) (deviation * (y * factor));
            }
        }
        return Arrays.copyOf(values, count);
    }

    /** In [0, 1), of the 26 and 27 highest bits of two states. */
    private static double uniform(long high, long low) {
        return ((high >>> 22 << 27) + (low >>> 21)) * 0x1.0p-53;
    }

    private static long next(long state) {
        return (state * MULTIPLIER + ADDEND) & MASK;
    }

    /** The state after so many steps, by squaring the step. */
    private long jump(long steps) {
        long state = start;
        long multiplier = MULTIPLIER;
        long addend = ADDEND;
        for (long left = steps; left > 0; left >>= 1) {
            if ((left & 1) == 1) {
                state = state * multiplier + addend;
            }
            addend *= multiplier + 1;
            multiplier *= multiplier;
        }
        return state & MASK;
    }
}
