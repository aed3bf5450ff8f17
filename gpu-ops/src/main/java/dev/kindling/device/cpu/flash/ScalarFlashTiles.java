package dev.kindling.device.cpu.flash;

import java.util.Arrays;

/** {@link FlashTiles} in plain Java. */
public final class ScalarFlashTiles implements FlashTiles {
    private static final int ROWS = 8;
    private static final int COLUMNS = 16;

    @Override
    public int rows() {
        return ROWS;
    }

    @Override
    public int columns() {
        return COLUMNS;
    }

    @Override
    public void product(
            float[] a, int aAt, float[] b, int bAt, int depth, float[] c, int cAt, int cStride, boolean accumulate) {
        for (int i = 0; i < ROWS; i++) {
            int row = cAt + i * cStride;
            if (!accumulate) {
                Arrays.fill(c, row, row + COLUMNS, 0f);
            }
            for (int p = 0; p < depth; p++) {
                addRow(a[aAt + i * PITCH + p], b, bAt + p * COLUMNS, c, row);
            }
        }
    }

    @Override
    public void packedProduct(float[] a, float[] b, int bAt, int depth, float[] c, int cAt, int cStride) {
        for (int p = 0; p < depth; p++) {
            for (int i = 0; i < ROWS; i++) {
                addRow(a[p * ROWS + i], b, bAt + p * COLUMNS, c, cAt + i * cStride);
            }
        }
    }

    private static void addRow(float factor, float[] b, int bAt, float[] c, int cAt) {
        for (int j = 0; j < COLUMNS; j++) {
            c[cAt + j] += factor * b[bAt + j];
        }
    }

    @Override
    public void pack(float[] x, int at, int stride, int depth, float[] to) {
        for (int p = 0; p < depth; p++) {
            System.arraycopy(x, at + p * stride, to, p * ROWS, ROWS);
        }
    }
}
