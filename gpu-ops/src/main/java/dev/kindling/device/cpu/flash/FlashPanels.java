package dev.kindling.device.cpu.flash;

import java.util.Arrays;

/** Packs rows of a tensor into the panels that {@link FlashTiles} multiplies with. */
public final class FlashPanels {
    private FlashPanels() {}

    static float[] grown(float[] array, int count) {
        return array.length >= count ? array : new float[count];
    }

    public static int roundUp(int amount, int unit) {
        return (amount + unit - 1) / unit * unit;
    }

    /**
     * The transpose of {@code rows} rows of {@code depth} floats, as one panel: to[toAt + d * width + r] = row r, element
     * d; zeros from r = rows to width.
     */
    static void transposed(float[] x, int at, int stride, int rows, int depth, float[] to, int toAt, int width) {
        if (rows < width) {
            Arrays.fill(to, toAt, toAt + depth * width, 0f);
        }
        int r = 0;
        for (; r <= rows - 4; r += 4) {
            int a = at + r * stride;
            int b = a + stride;
            int c = b + stride;
            int e = c + stride;
            for (int d = 0, t = toAt + r; d < depth; d++, t += width) {
                to[t] = x[a + d];
                to[t + 1] = x[b + d];
                to[t + 2] = x[c + d];
                to[t + 3] = x[e + d];
            }
        }
        for (; r < rows; r++) {
            for (int d = 0; d < depth; d++) {
                to[toAt + d * width + r] = x[at + r * stride + d];
            }
        }
    }

    /**
     * Rows as panels of {@code width} columns: row r's columns of panel p go to to[(p * capacity + first + r) * width ..],
     * zeros behind the last column.
     */
    static void rows(
            float[] x, int at, int stride, int rows, int depth, float[] to, int first, int capacity, int width) {
        for (int p = 0; p * width < depth; p++) {
            int count = Math.min(width, depth - p * width);
            for (int r = 0; r < rows; r++) {
                int t = (p * capacity + first + r) * width;
                System.arraycopy(x, at + r * stride + p * width, to, t, count);
                if (count < width) {
                    Arrays.fill(to, t + count, t + width, 0f);
                }
            }
        }
    }
}
