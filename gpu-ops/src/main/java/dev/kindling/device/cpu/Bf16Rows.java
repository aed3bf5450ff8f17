package dev.kindling.device.cpu;

import java.nio.ShortBuffer;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Copies rows of floats into native memory as bf16, rounded to nearest even. An infinity or a quiet NaN stays one. */
final class Bf16Rows {
    private final short[] staging = new short[8192];
    private final boolean vectors = CpuVectors.whyNot().isEmpty();

    /** Stored rows [from, to) of {@code view}, each {@code columns} long, without gaps into {@code target}. */
    void copy(MatrixView view, int columns, int from, int to, ShortBuffer target) {
        for (int row = from; row < to; row++) {
            int start = view.offset() + row * view.rowStride();
            for (int done = 0; done < columns; done += staging.length) {
                int count = Math.min(staging.length, columns - done);
                convert(view.values(), start + done, count);
                target.put(row * columns + done, staging, 0, count);
            }
        }
    }

    private void convert(float[] source, int from, int count) {
        int done = vectors ? Lanes.convert(source, from, count, staging) : 0;
        for (int i = done; i < count; i++) {
            staging[i] = bits(source[from + i]);
        }
    }

    static short bits(float value) {
        int bits = Float.floatToRawIntBits(value);
        return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
    }

    /** Apart, so that it is loaded only where the Vector API is. */
    private static final class Lanes {
        private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
        private static final VectorSpecies<Short> SHORTS =
                VectorSpecies.of(short.class, VectorShape.forBitSize(FLOATS.vectorBitSize() / 2));

        private Lanes() {}

        static int convert(float[] source, int from, int count, short[] target) {
            int whole = FLOATS.loopBound(count);
            for (int i = 0; i < whole; i += FLOATS.length()) {
                IntVector bits = FloatVector.fromArray(FLOATS, source, from + i).reinterpretAsInts();
                IntVector even = bits.lanewise(VectorOperators.LSHR, 16).and(1);
                IntVector high = bits.add(even).add(0x7fff).lanewise(VectorOperators.LSHR, 16);
                ((ShortVector) high.convertShape(VectorOperators.I2S, SHORTS, 0)).intoArray(target, i);
            }
            return whole;
        }
    }
}
