package dev.kindling.device.cpu.flash;

import dev.kindling.device.cpu.matmul.VectorPacking;

/**
 * What flash attention does to its tiles: products of {@link #rows} x {@link #columns}, where B is a packed panel,
 * {@code b[bAt + p * columns + j]}, softmax over strips of {@link #rows} rows, and copies in and out. The order of sums
 * within a row is that of {@link dev.kindling.device.cpu.rows.RowKernels}.
 */
public interface FlashTiles {
    /** Floats from one row to the next of A in {@link #product}, and of a strip. */
    int PITCH = VectorPacking.PITCH;

    int rows();

    int columns();

    /** C (=, or += with accumulate) A B, element (i, p) of A is {@code a[aAt + i * PITCH + p]}. */
    void product(
            float[] a, int aAt, float[] b, int bAt, int depth, float[] c, int cAt, int cStride, boolean accumulate);

    /** C += A B, A packed by {@link #pack}: element (i, p) is {@code a[p * rows + i]}. */
    void packedProduct(float[] a, float[] b, int bAt, int depth, float[] c, int cAt, int cStride);

    /**
     * to[p * rows + i] = x[at + p * stride + i], i below rows, p below depth. Up to {@link #columns} floats more may be read
     * behind the last, and overwritten in {@code to}.
     */
    void pack(float[] x, int at, int stride, int depth, float[] to);

    /**
     * Numerators of a strip's softmax, in place. Row i of x starts at {@code i * PITCH} and has n columns, of which the first
     * {@code visible[i]} count and the others become 0. maxima[i] is raised to their maximum, x = exp(x - maxima[i]),
     * sums[i] = their sum. n is at most 256.
     */
    void softmax(float[] x, int n, int[] visible, float[] maxima, float[] sums);

    /**
     * A strip of P and dS: p = exp(p - lse[i]), dp = p (dp - center[centerAt + i]). Row i starts at {@code at + i * PITCH} and
     * has {@code n} columns, a multiple of {@link #columns}, of which the first {@code visible[i]} count; in the others p
     * and dp become 0.
     */
    void softmaxGradient(
            float[] p, float[] dp, int at, int n, int[] visible, float[] lse, float[] center, int centerAt);

    /** dots[i] = a_i b_i over {@code depth} elements, where rows of a are {@link #PITCH} apart. */
    void dots(float[] a, float[] b, int bAt, int bStride, int rows, int depth, float[] dots);

    /** y_i = factor x_i: rows of {@code depth} floats. */
    void scale(float[] x, int at, int stride, float[] y, int yAt, int yStride, int rows, int depth, float factor);

    /** As {@link FlashPanels#rows} with panels of {@link #columns}. */
    void panels(float[] x, int at, int stride, int rows, int depth, float[] to, int first, int capacity);

    /** As {@link FlashPanels#transposed} with a panel of {@link #columns}. */
    void transposed(float[] x, int at, int stride, int rows, int depth, float[] to, int toAt);
}
