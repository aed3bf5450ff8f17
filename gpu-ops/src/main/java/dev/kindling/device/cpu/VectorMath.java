package dev.kindling.device.cpu;

import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** {@link ScalarMath#exp} in vectors. */
final class VectorMath {
    static final VectorSpecies<Float> LANES = FloatVector.SPECIES_PREFERRED;

    private VectorMath() {}

    static FloatVector exp(FloatVector x) {
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
}
