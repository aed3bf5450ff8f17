package dev.kindling.device.cpu.matmul;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Copies parts of A and B into panels that {@link VectorTile12} and {@link VectorTile4} read front to back. A matrix is
 * read along its rows, whichever way it is packed. What a panel holds beyond the matrix has no meaning, and neither has
 * the part of a tile that comes of it.
 */
public final class VectorPacking {
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_PREFERRED;
    /** Columns of a panel of B. */
    private static final int COLUMNS = 2 * LANES.length();
    /** Floats beyond the last panel of A that may be scribbled on. */
    static final int SLACK = LANES.length();
    /**
     * Floats from one row of A to the next where it is not transposed, and tile by tile in any case: constant, so that a
     * tile addresses all its rows from one register, and no power of two, which would crowd them into a few sets of the
     * cache.
     */
    public static final int PITCH = 256 + 16;

    private VectorPacking() {}

    /** panel[i * PITCH + p] = source[from + i * stride + p] for i below rows, p below k, which is at most 256. */
    static void rowsOfA(float[] source, int from, int stride, int rows, int k, float[] panel) {
        for (int i = 0; i < rows; i++) {
            System.arraycopy(source, from + i * stride, panel, i * PITCH, k);
        }
    }

    /**
     * Transposed A: panel[t * width * PITCH + p * width + r] = source[from + p * stride + t * width + r], for tiles t of
     * {@code width} rows. Whole vectors are moved: what they carry beyond a tile's k is overwritten by the next.
     */
    static void columnsOfA(float[] source, int from, int stride, int rows, int k, float[] panel, int width) {
        int lanes = LANES.length();
        int vectors = (width + lanes - 1) / lanes;
        int tiles = (rows + width - 1) / width;
        int room = source.length - vectors * lanes - from - (tiles - 1) * width;
        int whole = room < 0 ? 0 : Math.min(k, room / stride + 1);
        for (int p = 0; p < whole; p++) {
            for (int t = 0; t < tiles; t++) {
                for (int v = 0; v < vectors; v++) {
                    FloatVector.fromArray(LANES, source, from + p * stride + t * width + v * lanes)
                            .intoArray(panel, t * width * PITCH + p * width + v * lanes);
                }
            }
        }
        for (int p = whole; p < k; p++) {
            for (int t = 0; t < tiles; t++) {
                int used = Math.min(width, rows - t * width);
                System.arraycopy(source, from + p * stride + t * width, panel, t * width * PITCH + p * width, used);
            }
        }
    }

    /**
     * Rows {@code p0 .. p1-1} of B, {@code columns} long: panel[at + j / COLUMNS * k * COLUMNS + p * COLUMNS + j %
     * COLUMNS] = source[from + p * stride + j].
     */
    static void rowsOfB(
            float[] source, int from, int stride, int p0, int p1, int columns, float[] panel, int at, int k) {
        int whole = columns - columns % COLUMNS;
        for (int p = p0; p < p1; p++) {
            int row = from + p * stride;
            int to = at + p * COLUMNS;
            for (int j = 0; j < whole; j += COLUMNS) {
                FloatVector.fromArray(LANES, source, row + j).intoArray(panel, to + j * k);
                FloatVector.fromArray(LANES, source, row + j + LANES.length())
                        .intoArray(panel, to + j * k + LANES.length());
            }
            if (whole < columns) {
                System.arraycopy(source, row + whole, panel, to + whole * k, columns - whole);
            }
        }
    }

    /** panel[at + p * width + r] = source[from + r * stride + p] for r below used, p below k. */
    public static void transpose(
            float[] source, int from, int stride, int used, int k, float[] panel, int at, int width) {
        int[] rows = new int[LANES.length()];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = i * stride;
        }
        int r = 0;
        for (; r + LANES.length() <= used; r += LANES.length()) {
            int first = from + r * stride;
            for (int p = 0; p < k; p++) {
                FloatVector.fromArray(LANES, source, first + p, rows, 0).intoArray(panel, at + r + p * width);
            }
        }
        for (; r + 4 <= used; r += 4) {
            transposeFour(source, from + r * stride, stride, k, panel, at + r, width);
        }
        for (; r < used; r++) {
            int row = from + r * stride;
            for (int p = 0; p < k; p++) {
                panel[at + p * width + r] = source[row + p];
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
