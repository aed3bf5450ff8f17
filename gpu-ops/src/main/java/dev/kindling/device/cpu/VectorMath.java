package dev.kindling.device.cpu;

import static jdk.incubator.vector.VectorOperators.ADD;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/** {@link ScalarMath} in vectors, and a sum of lanes whose order is fixed. */
final class VectorMath {
    static final VectorSpecies<Float> LANES = FloatVector.SPECIES_PREFERRED;
    private static final VectorShuffle<Float> HALF = rotate(LANES.length() / 2);
    private static final VectorShuffle<Float> QUARTER = rotate(LANES.length() / 4);
    private static final VectorShuffle<Float> EIGHTH = rotate(LANES.length() / 8);
    private static final VectorShuffle<Float> SIXTEENTH = rotate(LANES.length() / 16);

    private VectorMath() {}

    private static VectorShuffle<Float> rotate(int by) {
        return VectorShuffle.fromOp(LANES, lane -> (lane + by) % LANES.length());
    }

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

    /** The normal distribution function, given e = exp(-x^2 / 2). */
    static FloatVector normal(FloatVector x, FloatVector e) {
        FloatVector one = FloatVector.broadcast(LANES, 1f);
        FloatVector t = one.div(x.abs().fma(FloatVector.broadcast(LANES, ScalarMath.P * ScalarMath.ROOT_HALF), one));
        FloatVector q = FloatVector.broadcast(LANES, ScalarMath.A5);
        q = q.fma(t, FloatVector.broadcast(LANES, ScalarMath.A4));
        q = q.fma(t, FloatVector.broadcast(LANES, ScalarMath.A3));
        q = q.fma(t, FloatVector.broadcast(LANES, ScalarMath.A2));
        q = q.fma(t, FloatVector.broadcast(LANES, ScalarMath.A1));
        FloatVector tail = q.mul(t).mul(e.mul(0.5f));
        return one.sub(tail).blend(tail, x.compare(LT, 0f));
    }

    /** The sum of lanes, pairwise; reduceLanes leaves the order, and so the bits, to the JVM. */
    static float sum(FloatVector x) {
        FloatVector s = x;
        if (LANES.length() >= 16) {
            s = s.lanewise(ADD, s.rearrange(SIXTEENTH));
        }
        if (LANES.length() >= 8) {
            s = s.lanewise(ADD, s.rearrange(EIGHTH));
        }
        if (LANES.length() >= 4) {
            s = s.lanewise(ADD, s.rearrange(QUARTER));
        }
        return s.lanewise(ADD, s.rearrange(HALF)).lane(0);
    }
}
