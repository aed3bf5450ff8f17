package dev.kindling.device.cpu.flash;

import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.MAX;

import dev.kindling.device.cpu.matmul.VectorMatmul;
import dev.kindling.device.cpu.matmul.VectorPacking;
import dev.kindling.device.cpu.matmul.VectorTile4;
import dev.kindling.device.cpu.matmul.VectorTile8;
import dev.kindling.device.cpu.rows.VectorMath;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link FlashTiles} on the register tiles of {@link VectorMatmul}. Each method goes over all rows itself: with a call
 * a row, the calls took longer than the rows, which are only a few vectors long. Vectors' sums are kept as lanes until all rows
 * are done, and then added up for all rows together, which leaves their order as it is and hides the additions' latency.
 */
public final class VectorFlashTiles implements FlashTiles {
    private static final boolean MANY_REGISTERS = VectorMatmul.MANY_REGISTERS;
    private static final int ROWS = MANY_REGISTERS ? VectorTile8.ROWS : VectorTile4.ROWS;
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_PREFERRED;
    private static final int STEP = LANES.length();
    private static final int COLUMNS = 2 * STEP;
    /** The number of each lane. */
    private static final FloatVector NUMBERS = FloatVector.zero(LANES).addIndex(1);

    private static final float[] ZEROS = new float[COLUMNS];

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
        float[] add = accumulate ? c : ZEROS;
        int addAt = accumulate ? cAt : 0;
        int addStride = accumulate ? cStride : 0;
        if (MANY_REGISTERS) {
            VectorTile8.pitched(a, aAt, b, bAt, depth, 1f, add, addAt, addStride, c, cAt, cStride);
        } else {
            VectorTile4.pitched(a, aAt, b, bAt, depth, 1f, add, addAt, addStride, c, cAt, cStride);
        }
    }

    @Override
    public void packedProduct(float[] a, float[] b, int bAt, int depth, float[] c, int cAt, int cStride) {
        if (MANY_REGISTERS) {
            VectorTile8.packed(a, 0, b, bAt, depth, 1f, c, cAt, cStride, c, cAt, cStride);
        } else {
            VectorTile4.packed(a, 0, b, bAt, depth, 1f, c, cAt, cStride, c, cAt, cStride);
        }
    }

    @Override
    public void pack(float[] x, int at, int stride, int depth, float[] to) {
        for (int p = 0; p < depth; p++) {
            for (int i = 0; i < ROWS; i += STEP) {
                FloatVector.fromArray(LANES, x, at + p * stride + i).intoArray(to, p * ROWS + i);
            }
        }
    }

    @Override
    public void softmax(float[] x, int n, int[] visible, float[] maxima, float[] sums) {
        for (int i = 0; i < ROWS; i++) {
            int at = i * PITCH;
            int whole = hide(x, at, visible[i], n, Float.NEGATIVE_INFINITY);
            if (whole > 0) {
                FloatVector most = FloatVector.fromArray(LANES, x, at);
                for (int j = STEP; j < whole; j += STEP) {
                    most = most.max(FloatVector.fromArray(LANES, x, at + j));
                }
                maxima[i] = Math.max(maxima[i], most.reduceLanes(MAX));
            }
        }
        float[] lanes = new float[ROWS * STEP];
        for (int i = 0; i < ROWS; i++) {
            FloatVector shift = FloatVector.broadcast(LANES, maxima[i]);
            FloatVector sum = FloatVector.zero(LANES);
            int end = i * PITCH + visible[i];
            for (int at = i * PITCH; at < end; at += STEP) {
                FloatVector e =
                        VectorMath.exp(FloatVector.fromArray(LANES, x, at).sub(shift));
                e.intoArray(x, at);
                sum = sum.add(e);
            }
            sum.intoArray(lanes, i * STEP);
        }
        addLanes(lanes, ROWS, sums);
    }

    @Override
    public void softmaxGradient(
            float[] p, float[] dp, int at, int n, int[] visible, float[] lse, float[] center, int centerAt) {
        for (int i = 0; i < ROWS; i++) {
            int row = at + i * PITCH;
            hide(p, row, visible[i], n, Float.NEGATIVE_INFINITY);
            hide(dp, row, visible[i], n, 0f);
            FloatVector shift = FloatVector.broadcast(LANES, lse[i]);
            FloatVector less = FloatVector.broadcast(LANES, center[centerAt + i]);
            int end = row + visible[i];
            for (int j = row; j < end; j += STEP) {
                FloatVector e =
                        VectorMath.exp(FloatVector.fromArray(LANES, p, j).sub(shift));
                e.intoArray(p, j);
                FloatVector.fromArray(LANES, dp, j).sub(less).mul(e).intoArray(dp, j);
            }
        }
    }

    /**
     * Writes {@code hidden} behind the visible columns as far as their last vector goes, and zeros behind that up to column
     * n, or a vector's end behind it. Returns where the visible columns' last vector ends.
     */
    private static int hide(float[] x, int at, int visible, int n, float hidden) {
        int whole = FlashPanels.roundUp(visible, STEP);
        if (visible < whole) {
            int last = at + whole - STEP;
            FloatVector.fromArray(LANES, x, last)
                    .blend(hidden, NUMBERS.compare(GE, visible - whole + STEP))
                    .intoArray(x, last);
        }
        for (int j = whole; j < n; j += STEP) {
            FloatVector.zero(LANES).intoArray(x, at + j);
        }
        return whole;
    }

    @Override
    public void dots(float[] a, float[] b, int bAt, int bStride, int rows, int depth, float[] dots) {
        float[] lanes = new float[rows * STEP];
        int whole = depth - depth % COLUMNS;
        int vectors = depth - depth % STEP;
        for (int i = 0; i < rows; i++) {
            FloatVector s0 = FloatVector.zero(LANES);
            FloatVector s1 = s0;
            int aRow = i * PITCH;
            int bRow = bAt + i * bStride;
            for (int j = 0; j < whole; j += COLUMNS) {
                s0 = FloatVector.fromArray(LANES, a, aRow + j).fma(FloatVector.fromArray(LANES, b, bRow + j), s0);
                s1 = FloatVector.fromArray(LANES, a, aRow + j + STEP)
                        .fma(FloatVector.fromArray(LANES, b, bRow + j + STEP), s1);
            }
            for (int j = whole; j < vectors; j += STEP) {
                s0 = FloatVector.fromArray(LANES, a, aRow + j).fma(FloatVector.fromArray(LANES, b, bRow + j), s0);
            }
            s0.add(s1).intoArray(lanes, i * STEP);
        }
        addLanes(lanes, rows, dots);
        for (int i = 0; vectors < depth && i < rows; i++) {
            float rest = 0f;
            for (int j = vectors; j < depth; j++) {
                rest += a[i * PITCH + j] * b[bAt + i * bStride + j];
            }
            dots[i] += rest;
        }
    }

    /** As {@link VectorMath#sum}, for many vectors. */
    private static void addLanes(float[] lanes, int rows, float[] sums) {
        for (int i = 0; i < rows; i++) {
            float s0 = 0f;
            float s1 = 0f;
            for (int j = i * STEP; j < (i + 1) * STEP; j += 2) {
                s0 += lanes[j];
                s1 += lanes[j + 1];
            }
            sums[i] = s0 + s1;
        }
    }

    @Override
    public void scale(
            float[] x, int at, int stride, float[] y, int yAt, int yStride, int rows, int depth, float factor) {
        int vectors = depth - depth % STEP;
        for (int i = 0; i < rows; i++) {
            int from = at + i * stride;
            int to = yAt + i * yStride;
            for (int j = 0; j < vectors; j += STEP) {
                FloatVector.fromArray(LANES, x, from + j).mul(factor).intoArray(y, to + j);
            }
            for (int j = vectors; j < depth; j++) {
                y[to + j] = x[from + j] * factor;
            }
        }
    }

    @Override
    public void panels(float[] x, int at, int stride, int rows, int depth, float[] to, int first, int capacity) {
        int whole = depth - depth % COLUMNS;
        for (int column = 0; column < whole; column += COLUMNS) {
            int target = column * capacity + first * COLUMNS;
            for (int r = 0; r < rows; r++) {
                int from = at + r * stride + column;
                FloatVector.fromArray(LANES, x, from).intoArray(to, target + r * COLUMNS);
                FloatVector.fromArray(LANES, x, from + STEP).intoArray(to, target + r * COLUMNS + STEP);
            }
        }
        if (whole < depth) {
            int panel = whole / COLUMNS * capacity + first;
            FlashPanels.rows(x, at + whole, stride, rows, depth - whole, to, panel, capacity, COLUMNS);
        }
    }

    @Override
    public void transposed(float[] x, int at, int stride, int rows, int depth, float[] to, int toAt) {
        VectorPacking.transpose(x, at, stride, rows, depth, to, toAt, COLUMNS);
    }
}
