package dev.kindling.device.cpu.rows;

import dev.kindling.device.Ops;

/** The random values of {@link Ops#normal}. */
public final class NormalValues {
    private static final float SCALE = (float) (Math.sqrt(3) / 65535);
    private static final long PAIRS = 0x0000FFFF0000FFFFL;

    private final long seed;
    private final int stream;
    private final int site;

    public NormalValues(CpuStep step, int site) {
        seed = step.inputs().seed();
        stream = (int) step.stream();
        this.site = site;
    }

    /** Puts n values, the first of which is element {@code element} of its tensor. */
    public void put(long element, float[] to, int at, int n) {
        long[] words = new long[2];
        for (int i = 0; i < n; i++) {
            long e = element + i;
            if (i == 0 || (e & 1) == 0) {
                Philox.draw(seed, e >>> 1, site, stream, words);
            }
            long drawn = words[(int) (e & 1)];
            long sums = (drawn & PAIRS) + (drawn >>> 16 & PAIRS);
            int sum = (int) sums + (int) (sums >>> 32);
            to[at + i] = (sum - 131070) * SCALE;
        }
    }
}
