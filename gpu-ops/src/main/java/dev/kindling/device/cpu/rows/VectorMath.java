package dev.kindling.device.cpu.rows;

import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** {@link ScalarMath#exp} in vectors. */
public final class VectorMath {
    public static final VectorSpecies<Float> LANES = FloatVector.SPECIES_PREFERRED;

    private VectorMath() {}

    public static FloatVector exp(FloatVector x) {
        FloatVector limited = x.blend(ScalarMath.HIGHEST, x.compare(GT, ScalarMath.HIGHEST));
        FloatVector shifted = limited.fma(
                FloatVector.broadcast(LANES, ScalarMath.LOG2_E), FloatVector.broadcast(LANES, ScalarMath.ROUNDER));
        FloatVector n = shifted.sub(ScalarMath.ROUNDER);
        FloatVector r = n.fma(FloatVector.broadcast(LANES, -ScalarMath.LN2_HIGH), limited);
        r = n.fma(FloatVector.broadcast(LANES, -ScalarMath.LN2_LOW), r);
        FloatVector q = FloatVector.broadcast(LANES, ScalarMath.E5);
        q = q.fma(r, FloatVector.broadcast(LANES, ScalarMath.E4));
        q = q.fma(r, FloatVector.broadcast(LANES, ScalarMath.E3));
        q = q.fma(r, FloatVector.broadcast(LANES, ScalarMath.E2));
        q = q.fma(r, FloatVector.broadcast(LANES, ScalarMath.E1));
        q = q.fma(r, FloatVector.broadcast(LANES, ScalarMath.E0));
        FloatVector power = q.fma(r.mul(r), r).add(1f);
        FloatVector scaled = power.reinterpretAsInts()
                .add(shifted.reinterpretAsInts().lanewise(LSHL, 23))
                .reinterpretAsFloats();
        return scaled.blend(0f, x.compare(LT, ScalarMath.LOWEST));
    }

    /** The sum of a vector's lanes in a fixed order; reduceLanes leaves the order, and so the bits, to the JVM. */
    static float sum(float[] lanes) {
        float s0 = lanes[0];
        float s1 = lanes[1];
        for (int i = 2; i < lanes.length; i += 2) {
            s0 += lanes[i];
            s1 += lanes[i + 1];
        }
        return s0 + s1;
    }
}
