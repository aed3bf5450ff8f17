package dev.kindling.device.cpu.rows;

import dev.kindling.device.Accumulation;
import dev.kindling.device.AdamWOp;

/** From F32 to bf16, rounded at random: moments as {@link AdamWOp} says, sums as {@link Accumulation} does. */
public final class RandomRounding {
    private final long seed;
    private final int step;
    private final int stream;

    public RandomRounding(CpuStep step) {
        seed = step.inputs().seed();
        this.step = (int) step.inputs().step();
        stream = (int) step.stream();
    }

    /**
     * Rounds the moments of n weights.
     *
     * @param weight the number of the first of them
     * @param m n values, from 0 on
     * @param v n values, from 0 on
     */
    public void moments(long weight, float[] m, float[] v, short[] mTo, int mAt, short[] vTo, int vAt, int n) {
        long[] words = new long[2];
        for (int i = 0; i < n; i++) {
            int word = (int) (weight + i) & 3;
            if (word == 0 || i == 0) {
                Philox.draw(seed, (weight + i) >>> 2, AdamWOp.ROUNDING_SITE, step, words);
            }
            int drawn = (int) (words[word >>> 1] >>> (32 * (word & 1)));
            mTo[mAt + i] = rounded(m[i], drawn & 0xFFFF);
            vTo[vAt + i] = rounded(v[i], drawn >>> 16);
        }
    }

    /**
     * Rounds the sums of n weights.
     *
     * @param weight the number of the first of them
     * @param sums n values, from 0 on
     */
    public void sums(long weight, float[] sums, short[] to, int at, int n) {
        long[] words = new long[2];
        for (int i = 0; i < n; i++) {
            int word = (int) (weight + i) & 3;
            if (word == 0 || i == 0) {
                Philox.draw(seed, (weight + i) >>> 2, Accumulation.SITE, stream, words);
            }
            int drawn = (int) (words[word >>> 1] >>> (32 * (word & 1)));
            to[at + i] = Float.isFinite(sums[i]) ? rounded(sums[i], drawn & 0xFFFF) : notFinite(sums[i]);
        }
    }

    /** An infinity, or the quiet NaN. */
    private static short notFinite(float x) {
        return (short) (Float.isNaN(x) ? 0x7FC0 : Float.floatToRawIntBits(x) >>> 16);
    }

    private static short rounded(float x, int random) {
        return (short) ((Float.floatToRawIntBits(x) + random) >>> 16);
    }
}
