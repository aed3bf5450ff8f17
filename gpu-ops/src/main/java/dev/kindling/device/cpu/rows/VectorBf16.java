package dev.kindling.device.cpu.rows;

import static dev.kindling.device.cpu.rows.VectorMath.LANES;
import static jdk.incubator.vector.VectorOperators.I2S;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.S2I;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The bf16 loops of {@link VectorRows}. Each processes as many elements as fill whole vectors, and returns how many.
 */
final class VectorBf16 {
    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(LANES.vectorBitSize() / 2));

    private VectorBf16() {}

    static int round(float[] x, int xAt, float[] residual, int at, int n) {
        int whole = LANES.loopBound(n);
        for (int i = 0; i < whole; i += LANES.length()) {
            FloatVector sum =
                    FloatVector.fromArray(LANES, x, xAt + i).add(FloatVector.fromArray(LANES, residual, at + i));
            IntVector bits = sum.reinterpretAsInts();
            IntVector even = bits.lanewise(LSHR, 16).and(1);
            FloatVector rounded = bits.add(even).add(0x7fff).and(0xffff0000).reinterpretAsFloats();
            rounded.intoArray(x, xAt + i);
            sum.sub(rounded).intoArray(residual, at + i);
        }
        return whole;
    }

    /**
     * Written out four times so that it is too large to be inlined: at the end of a deep chain of inlined calls the
     * compiler stops inlining the vectors' methods, at ten times the cost.
     */
    static int encode(float[] x, int xAt, short[] y, int yAt, int n) {
        int step = LANES.length();
        int i = 0;
        for (; i <= n - 4 * step; i += 4 * step) {
            IntVector b0 = FloatVector.fromArray(LANES, x, xAt + i).reinterpretAsInts();
            IntVector h0 = b0.add(b0.lanewise(LSHR, 16).and(1)).add(0x7fff).lanewise(LSHR, 16);
            ((ShortVector) h0.convertShape(I2S, SHORTS, 0)).intoArray(y, yAt + i);
            IntVector b1 = FloatVector.fromArray(LANES, x, xAt + i + step).reinterpretAsInts();
            IntVector h1 = b1.add(b1.lanewise(LSHR, 16).and(1)).add(0x7fff).lanewise(LSHR, 16);
            ((ShortVector) h1.convertShape(I2S, SHORTS, 0)).intoArray(y, yAt + i + step);
            IntVector b2 = FloatVector.fromArray(LANES, x, xAt + i + 2 * step).reinterpretAsInts();
            IntVector h2 = b2.add(b2.lanewise(LSHR, 16).and(1)).add(0x7fff).lanewise(LSHR, 16);
            ((ShortVector) h2.convertShape(I2S, SHORTS, 0)).intoArray(y, yAt + i + 2 * step);
            IntVector b3 = FloatVector.fromArray(LANES, x, xAt + i + 3 * step).reinterpretAsInts();
            IntVector h3 = b3.add(b3.lanewise(LSHR, 16).and(1)).add(0x7fff).lanewise(LSHR, 16);
            ((ShortVector) h3.convertShape(I2S, SHORTS, 0)).intoArray(y, yAt + i + 3 * step);
        }
        for (; i <= n - step; i += step) {
            IntVector bits = FloatVector.fromArray(LANES, x, xAt + i).reinterpretAsInts();
            IntVector high =
                    bits.add(bits.lanewise(LSHR, 16).and(1)).add(0x7fff).lanewise(LSHR, 16);
            ((ShortVector) high.convertShape(I2S, SHORTS, 0)).intoArray(y, yAt + i);
        }
        return i;
    }

    static int decode(short[] x, int xAt, float[] y, int yAt, int n) {
        int whole = LANES.loopBound(n);
        for (int i = 0; i < whole; i += LANES.length()) {
            IntVector low =
                    (IntVector) ShortVector.fromArray(SHORTS, x, xAt + i).convertShape(S2I, INTS, 0);
            low.lanewise(LSHL, 16).reinterpretAsFloats().intoArray(y, yAt + i);
        }
        return whole;
    }
}
