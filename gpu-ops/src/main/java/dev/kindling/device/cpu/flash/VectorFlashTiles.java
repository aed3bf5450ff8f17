package dev.kindling.device.cpu.flash;

import dev.kindling.device.cpu.matmul.VectorMatmul;
import dev.kindling.device.cpu.matmul.VectorTile4;
import dev.kindling.device.cpu.matmul.VectorTile8;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** {@link FlashTiles} on the register tiles of {@link VectorMatmul}. */
public final class VectorFlashTiles implements FlashTiles {
    private static final boolean MANY_REGISTERS = VectorMatmul.MANY_REGISTERS;
    private static final int ROWS = MANY_REGISTERS ? VectorTile8.ROWS : VectorTile4.ROWS;
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_PREFERRED;
    private static final int COLUMNS = 2 * LANES.length();
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
            for (int i = 0; i < ROWS; i += LANES.length()) {
                FloatVector.fromArray(LANES, x, at + p * stride + i).intoArray(to, p * ROWS + i);
            }
        }
    }
}
