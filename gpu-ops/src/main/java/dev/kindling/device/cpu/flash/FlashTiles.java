package dev.kindling.device.cpu.flash;

import dev.kindling.device.cpu.matmul.VectorPacking;

/**
 * The products inside flash attention: tiles of {@link #rows} x {@link #columns}. B is a packed panel,
 * {@code b[bAt + p * columns + j]}.
 */
public interface FlashTiles {
    /** Floats from one row of A to the next in {@link #product}. */
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
}
