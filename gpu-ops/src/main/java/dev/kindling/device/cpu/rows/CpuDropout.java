package dev.kindling.device.cpu.rows;

import dev.kindling.device.Dropout;

/** Applies the masks that {@link Dropout} defines. Each worker uses its own instance. */
public final class CpuDropout {
    private final int threshold;
    private final float keptScale;
    private final int site;
    private final long seed;
    private final int stream;
    private final long[] words = new long[2];

    public CpuDropout(Dropout dropout, CpuStep step) {
        threshold = dropout.threshold();
        keptScale = dropout.keptScale();
        site = dropout.site();
        seed = step.inputs().seed();
        stream = (int) step.stream();
    }

    /** y = dropout(x) for n elements, the first of which has number {@code element} in its tensor; y may be x. */
    public void elements(long element, float[] x, int xAt, float[] y, int yAt, int n) {
        int i = 0;
        while (i < n) {
            int decision = (int) (element + i) & 7;
            int count = Math.min(n - i, 8 - decision);
            Philox.draw(seed, (element + i) >>> 3, site, stream, words);
            for (int j = 0; j < count; j++) {
                int scaled = Float.floatToRawIntBits(x[xAt + i + j] * keptScale);
                y[yAt + i + j] = Float.intBitsToFloat(scaled & kept(decision + j));
            }
            i += count;
        }
    }

    /** All ones to keep a value, 0 to drop it. A branch instead would often be mispredicted. */
    private int kept(int decision) {
        int drawn = (int) (words[decision >>> 2] >>> (16 * (decision & 3))) & 0xFFFF;
        return (threshold - 1 - drawn) >> 31;
    }

    /**
     * Fills {@code keep} with 0 or the kept scale for columns {@code column .. column+n-1} of an attention row.
     *
     * @param row (b H + h) Tq + row
     * @param blocksPerRow ceil(Tk / 32)
     * @param column a multiple of 32
     * @param keep room for n rounded up to a multiple of 32
     */
    public void attentionRow(long row, int blocksPerRow, int column, int n, float[] keep, int at) {
        int scale = Float.floatToRawIntBits(keptScale);
        for (int c = 0; c < n; c += 32) {
            long base = (row * blocksPerRow + (column + c) / 32) * 4;
            for (int quarter = 0; quarter < 4; quarter++) {
                Philox.draw(seed, base + quarter, site, stream, words);
                int first = at + c + 2 * quarter;
                for (int group = 0; group < 4; group++) {
                    keep[first + 8 * group] = Float.intBitsToFloat(scale & kept(2 * group));
                    keep[first + 8 * group + 1] = Float.intBitsToFloat(scale & kept(2 * group + 1));
                }
            }
        }
    }
}
