package dev.kindling.device.cpu.flash;

import dev.kindling.device.cpu.rows.ScalarRows;
import java.util.Arrays;

/** {@link FlashTiles} in plain Java. */
public final class ScalarFlashTiles implements FlashTiles {
    private static final int ROWS = 8;
    private static final int COLUMNS = 16;

    private final ScalarRows kernels = new ScalarRows();

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

    @Override
    public void softmax(float[] x, int n, int[] visible, float[] maxima, float[] sums) {
        for (int i = 0; i < ROWS; i++) {
            int at = i * PITCH;
            maxima[i] = Math.max(maxima[i], kernels.max(x, at, visible[i]));
            sums[i] = kernels.exponentials(x, at, 1f, maxima[i], x, at, visible[i]);
            Arrays.fill(x, at + visible[i], at + n, 0f);
        }
    }

    @Override
    public void softmaxGradient(
            float[] p, float[] dp, int at, int n, int[] visible, float[] lse, float[] center, int centerAt) {
        for (int i = 0; i < ROWS; i++) {
            int row = at + i * PITCH;
            kernels.exponentials(p, row, 1f, lse[i], p, row, visible[i]);
            kernels.softmaxGradient(p, row, dp, row, center[centerAt + i], 1f, visible[i]);
            Arrays.fill(p, row + visible[i], row + n, 0f);
            Arrays.fill(dp, row + visible[i], row + n, 0f);
        }
    }

    @Override
    public void dots(float[] a, float[] b, int bAt, int bStride, int rows, int depth, float[] dots) {
        for (int i = 0; i < rows; i++) {
            dots[i] = kernels.dot(a, i * PITCH, b, bAt + i * bStride, depth);
        }
    }

    @Override
    public void scale(
            float[] x, int at, int stride, float[] y, int yAt, int yStride, int rows, int depth, float factor) {
        for (int i = 0; i < rows; i++) {
            kernels.scale(x, at + i * stride, factor, y, yAt + i * yStride, depth);
        }
    }

    @Override
    public void panels(float[] x, int at, int stride, int rows, int depth, float[] to, int first, int capacity) {
        FlashPanels.rows(x, at, stride, rows, depth, to, first, capacity, COLUMNS);
    }

    @Override
    public void transposed(float[] x, int at, int stride, int rows, int depth, float[] to, int toAt) {
        FlashPanels.transposed(x, at, stride, rows, depth, to, toAt, COLUMNS);
    }
}
