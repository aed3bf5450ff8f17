package dev.kindling.device.cpu.matmul;

import static dev.kindling.device.cpu.matmul.VectorPacking.PITCH;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link VectorTile12} with eight rows, for the short products of attention.
 *
 * <p>C = alpha A B + addend, where row i of the addend starts at {@code addAt + i * addStride}: C itself to
 * accumulate, a bias or zeros with stride 0. That spares a flag and a mask; with either, the compiler has been seen to
 * spill every sum and fall to a tenth of the speed; so it does where a helper method takes vectors, hence the repetition.
 * A's rows lie at constant distances, so that one register addresses them all. B is a packed panel:
 * {@code b[bAt + p * COLUMNS + j]}.
 *
 * <p>Written by VectorTileSource, beside the tests.
 */
public final class VectorTile8 {
    public static final int ROWS = 8;
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_PREFERRED;
    private static final int COLUMNS = 2 * LANES.length();

    private VectorTile8() {}

    /** A is packed: element (i, p) is {@code a[aAt + p * ROWS + i]}. */
    public static void packed(
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            int k,
            float alpha,
            float[] add,
            int addAt,
            int addStride,
            float[] c,
            int cAt,
            int cStride) {
        FloatVector c00 = FloatVector.zero(LANES);
        FloatVector c01 = FloatVector.zero(LANES);
        FloatVector c10 = FloatVector.zero(LANES);
        FloatVector c11 = FloatVector.zero(LANES);
        FloatVector c20 = FloatVector.zero(LANES);
        FloatVector c21 = FloatVector.zero(LANES);
        FloatVector c30 = FloatVector.zero(LANES);
        FloatVector c31 = FloatVector.zero(LANES);
        FloatVector c40 = FloatVector.zero(LANES);
        FloatVector c41 = FloatVector.zero(LANES);
        FloatVector c50 = FloatVector.zero(LANES);
        FloatVector c51 = FloatVector.zero(LANES);
        FloatVector c60 = FloatVector.zero(LANES);
        FloatVector c61 = FloatVector.zero(LANES);
        FloatVector c70 = FloatVector.zero(LANES);
        FloatVector c71 = FloatVector.zero(LANES);
        for (int p = 0; p < k; p++) {
            FloatVector b0 = FloatVector.fromArray(LANES, b, bAt + p * COLUMNS);
            FloatVector b1 = FloatVector.fromArray(LANES, b, bAt + p * COLUMNS + LANES.length());
            FloatVector x0 = FloatVector.broadcast(LANES, a[aAt + p * ROWS]);
            c00 = x0.fma(b0, c00);
            c01 = x0.fma(b1, c01);
            FloatVector x1 = FloatVector.broadcast(LANES, a[aAt + p * ROWS + 1]);
            c10 = x1.fma(b0, c10);
            c11 = x1.fma(b1, c11);
            FloatVector x2 = FloatVector.broadcast(LANES, a[aAt + p * ROWS + 2]);
            c20 = x2.fma(b0, c20);
            c21 = x2.fma(b1, c21);
            FloatVector x3 = FloatVector.broadcast(LANES, a[aAt + p * ROWS + 3]);
            c30 = x3.fma(b0, c30);
            c31 = x3.fma(b1, c31);
            FloatVector x4 = FloatVector.broadcast(LANES, a[aAt + p * ROWS + 4]);
            c40 = x4.fma(b0, c40);
            c41 = x4.fma(b1, c41);
            FloatVector x5 = FloatVector.broadcast(LANES, a[aAt + p * ROWS + 5]);
            c50 = x5.fma(b0, c50);
            c51 = x5.fma(b1, c51);
            FloatVector x6 = FloatVector.broadcast(LANES, a[aAt + p * ROWS + 6]);
            c60 = x6.fma(b0, c60);
            c61 = x6.fma(b1, c61);
            FloatVector x7 = FloatVector.broadcast(LANES, a[aAt + p * ROWS + 7]);
            c70 = x7.fma(b0, c70);
            c71 = x7.fma(b1, c71);
        }
        FloatVector scale = FloatVector.broadcast(LANES, alpha);
        int from = addAt;
        int to = cAt;
        c00.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c01.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
        from += addStride;
        to += cStride;
        c10.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c11.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
        from += addStride;
        to += cStride;
        c20.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c21.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
        from += addStride;
        to += cStride;
        c30.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c31.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
        from += addStride;
        to += cStride;
        c40.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c41.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
        from += addStride;
        to += cStride;
        c50.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c51.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
        from += addStride;
        to += cStride;
        c60.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c61.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
        from += addStride;
        to += cStride;
        c70.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c71.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
    }

    /** A is in rows: element (i, p) is {@code a[aAt + i * PITCH + p]}. */
    public static void pitched(
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            int k,
            float alpha,
            float[] add,
            int addAt,
            int addStride,
            float[] c,
            int cAt,
            int cStride) {
        FloatVector c00 = FloatVector.zero(LANES);
        FloatVector c01 = FloatVector.zero(LANES);
        FloatVector c10 = FloatVector.zero(LANES);
        FloatVector c11 = FloatVector.zero(LANES);
        FloatVector c20 = FloatVector.zero(LANES);
        FloatVector c21 = FloatVector.zero(LANES);
        FloatVector c30 = FloatVector.zero(LANES);
        FloatVector c31 = FloatVector.zero(LANES);
        FloatVector c40 = FloatVector.zero(LANES);
        FloatVector c41 = FloatVector.zero(LANES);
        FloatVector c50 = FloatVector.zero(LANES);
        FloatVector c51 = FloatVector.zero(LANES);
        FloatVector c60 = FloatVector.zero(LANES);
        FloatVector c61 = FloatVector.zero(LANES);
        FloatVector c70 = FloatVector.zero(LANES);
        FloatVector c71 = FloatVector.zero(LANES);
        for (int p = 0; p < k; p++) {
            FloatVector b0 = FloatVector.fromArray(LANES, b, bAt + p * COLUMNS);
            FloatVector b1 = FloatVector.fromArray(LANES, b, bAt + p * COLUMNS + LANES.length());
            FloatVector x0 = FloatVector.broadcast(LANES, a[aAt + p]);
            c00 = x0.fma(b0, c00);
            c01 = x0.fma(b1, c01);
            FloatVector x1 = FloatVector.broadcast(LANES, a[aAt + p + PITCH]);
            c10 = x1.fma(b0, c10);
            c11 = x1.fma(b1, c11);
            FloatVector x2 = FloatVector.broadcast(LANES, a[aAt + p + 2 * PITCH]);
            c20 = x2.fma(b0, c20);
            c21 = x2.fma(b1, c21);
            FloatVector x3 = FloatVector.broadcast(LANES, a[aAt + p + 3 * PITCH]);
            c30 = x3.fma(b0, c30);
            c31 = x3.fma(b1, c31);
            FloatVector x4 = FloatVector.broadcast(LANES, a[aAt + p + 4 * PITCH]);
            c40 = x4.fma(b0, c40);
            c41 = x4.fma(b1, c41);
            FloatVector x5 = FloatVector.broadcast(LANES, a[aAt + p + 5 * PITCH]);
            c50 = x5.fma(b0, c50);
            c51 = x5.fma(b1, c51);
            FloatVector x6 = FloatVector.broadcast(LANES, a[aAt + p + 6 * PITCH]);
            c60 = x6.fma(b0, c60);
            c61 = x6.fma(b1, c61);
            FloatVector x7 = FloatVector.broadcast(LANES, a[aAt + p + 7 * PITCH]);
            c70 = x7.fma(b0, c70);
            c71 = x7.fma(b1, c71);
        }
        FloatVector scale = FloatVector.broadcast(LANES, alpha);
        int from = addAt;
        int to = cAt;
        c00.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c01.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
        from += addStride;
        to += cStride;
        c10.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c11.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
        from += addStride;
        to += cStride;
        c20.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c21.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
        from += addStride;
        to += cStride;
        c30.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c31.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
        from += addStride;
        to += cStride;
        c40.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c41.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
        from += addStride;
        to += cStride;
        c50.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c51.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
        from += addStride;
        to += cStride;
        c60.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c61.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
        from += addStride;
        to += cStride;
        c70.fma(scale, FloatVector.fromArray(LANES, add, from)).intoArray(c, to);
        c71.fma(scale, FloatVector.fromArray(LANES, add, from + LANES.length())).intoArray(c, to + LANES.length());
    }
}
