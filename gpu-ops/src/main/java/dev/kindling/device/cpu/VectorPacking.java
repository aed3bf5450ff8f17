package dev.kindling.device.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Copies parts of A and B into panels that {@link VectorTile8} and {@link VectorTile6} read front to back. A panel is
 * k-major, {@code width} floats per k; where the matrix ends earlier, zeros.
 */
final class VectorPacking {
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_PREFERRED;
    /** Floats beyond a panel's end that {@link #copy} may scribble on. */
    static final int SLACK = LANES.length();

    private VectorPacking() {}

    /** Packs {@code used} logical rows of A from {@code row}, for k in [p0, p0 + k). */
    static void rowsOfA(MatrixView a, int row, int used, int p0, int k, float[] panel, int at, int width) {
        int from = a.index(row, p0);
        if (a.transposed()) {
            copy(a.values(), from, a.rowStride(), used, k, panel, at, width);
        } else {
            transpose(a.values(), from, a.rowStride(), used, k, panel, at, width);
        }
    }

    /** Packs {@code used} logical columns of B from {@code column}, for k in [p0, p0 + k). */
    static void columnsOfB(MatrixView b, int column, int used, int p0, int k, float[] panel, int at, int width) {
        int from = b.index(p0, column);
        if (b.transposed()) {
            transpose(b.values(), from, b.rowStride(), used, k, panel, at, width);
        } else {
            copy(b.values(), from, b.rowStride(), used, k, panel, at, width);
        }
    }

    /**
     * panel[p * width + r] = source[from + p * stride + r]. Whole vectors are moved: what they carry beyond the panel's
     * row is overwritten by the next row, which is why rows are packed in order and panels have slack behind them.
     */
    private static void copy(float[] source, int from, int stride, int used, int k, float[] panel, int at, int width) {
        int lanes = LANES.length();
        int vectors = (width + lanes - 1) / lanes;
        int whole = used < width ? 0 : wholeRows(source.length - vectors * lanes - from, stride, k);
        for (int p = 0; p < whole; p++) {
            for (int v = 0; v < vectors; v++) {
                FloatVector.fromArray(LANES, source, from + p * stride + v * lanes)
                        .intoArray(panel, at + p * width + v * lanes);
            }
        }
        for (int p = whole; p < k; p++) {
            for (int r = 0; r < width; r++) {
                panel[at + p * width + r] = r < used ? source[from + p * stride + r] : 0f;
            }
        }
    }

    /** How many of k rows may be read in whole vectors when the last may start at most {@code room} behind the first. */
    private static int wholeRows(int room, int stride, int k) {
        return room < 0 ? 0 : Math.min(k, room / stride + 1);
    }

    /** panel[p * width + r] = source[from + r * stride + p]. */
    private static void transpose(
            float[] source, int from, int stride, int used, int k, float[] panel, int at, int width) {
        int r = 0;
        for (; r + 4 <= used; r += 4) {
            transposeFour(source, from + r * stride, stride, k, panel, at + r, width);
        }
        for (; r < width; r++) {
            int row = from + r * stride;
            for (int p = 0; p < k; p++) {
                panel[at + p * width + r] = r < used ? source[row + p] : 0f;
            }
        }
    }

    private static void transposeFour(float[] source, int from, int stride, int k, float[] panel, int at, int width) {
        int second = from + stride;
        int third = second + stride;
        int fourth = third + stride;
        for (int p = 0, to = at; p < k; p++, to += width) {
            panel[to] = source[from + p];
            panel[to + 1] = source[second + p];
            panel[to + 2] = source[third + p];
            panel[to + 3] = source[fourth + p];
        }
    }
}
