package dev.kindling.device.cpu.rows;

import static dev.kindling.device.cpu.rows.ScalarMath.A1;
import static dev.kindling.device.cpu.rows.ScalarMath.A2;
import static dev.kindling.device.cpu.rows.ScalarMath.A3;
import static dev.kindling.device.cpu.rows.ScalarMath.A4;
import static dev.kindling.device.cpu.rows.ScalarMath.A5;
import static dev.kindling.device.cpu.rows.ScalarMath.CUBIC;
import static dev.kindling.device.cpu.rows.ScalarMath.NORMAL_PEAK;
import static dev.kindling.device.cpu.rows.ScalarMath.P;
import static dev.kindling.device.cpu.rows.ScalarMath.ROOT_2_PI;
import static dev.kindling.device.cpu.rows.ScalarMath.ROOT_HALF;
import static dev.kindling.device.cpu.rows.VectorMath.LANES;
import static jdk.incubator.vector.VectorOperators.LT;

import jdk.incubator.vector.FloatVector;

/**
 * The GELU loops of {@link VectorRows}: both forms and their gradients, over {@code whole} elements, a multiple of the
 * vector length.
 */
final class VectorGelu {
    private VectorGelu() {}

    static void erf(float[] x, int xAt, float[] y, int yAt, int whole) {
        for (int i = 0; i < whole; i += LANES.length()) {
            FloatVector z = FloatVector.fromArray(LANES, x, xAt + i);
            FloatVector e = VectorMath.exp(z.mul(z).mul(-0.5f));
            FloatVector t = FloatVector.broadcast(LANES, 1f)
                    .div(z.abs().fma(FloatVector.broadcast(LANES, P * ROOT_HALF), FloatVector.broadcast(LANES, 1f)));
            FloatVector q = t.fma(FloatVector.broadcast(LANES, A5), FloatVector.broadcast(LANES, A4))
                    .fma(t, FloatVector.broadcast(LANES, A3))
                    .fma(t, FloatVector.broadcast(LANES, A2))
                    .fma(t, FloatVector.broadcast(LANES, A1));
            FloatVector tail = q.mul(t).mul(e.mul(0.5f));
            FloatVector normal = FloatVector.broadcast(LANES, 1f).sub(tail).blend(tail, z.compare(LT, 0f));
            z.mul(normal).intoArray(y, yAt + i);
        }
    }

    /** x / (1 + exp(-2 u)), which is x (1 + tanh u) / 2. */
    static void tanh(float[] x, int xAt, float[] y, int yAt, int whole) {
        for (int i = 0; i < whole; i += LANES.length()) {
            FloatVector z = FloatVector.fromArray(LANES, x, xAt + i);
            FloatVector u = z.mul(z.mul(z)
                    .fma(
                            FloatVector.broadcast(LANES, -2 * ROOT_2_PI * CUBIC),
                            FloatVector.broadcast(LANES, -2 * ROOT_2_PI)));
            z.div(VectorMath.exp(u).add(1f)).intoArray(y, yAt + i);
        }
    }

    static void erfGradient(
            float[] x,
            int xAt,
            float[] bias,
            int biasAt,
            int biasStep,
            float[] dy,
            int dyAt,
            float[] dx,
            int dxAt,
            int whole) {
        for (int i = 0, b = biasAt; i < whole; i += LANES.length(), b += biasStep) {
            FloatVector z = FloatVector.fromArray(LANES, x, xAt + i).add(FloatVector.fromArray(LANES, bias, b));
            FloatVector e = VectorMath.exp(z.mul(z).mul(-0.5f));
            FloatVector t = FloatVector.broadcast(LANES, 1f)
                    .div(z.abs().fma(FloatVector.broadcast(LANES, P * ROOT_HALF), FloatVector.broadcast(LANES, 1f)));
            FloatVector q = t.fma(FloatVector.broadcast(LANES, A5), FloatVector.broadcast(LANES, A4))
                    .fma(t, FloatVector.broadcast(LANES, A3))
                    .fma(t, FloatVector.broadcast(LANES, A2))
                    .fma(t, FloatVector.broadcast(LANES, A1));
            FloatVector tail = q.mul(t).mul(e.mul(0.5f));
            FloatVector normal = FloatVector.broadcast(LANES, 1f).sub(tail).blend(tail, z.compare(LT, 0f));
            FloatVector slope = z.mul(e).fma(FloatVector.broadcast(LANES, NORMAL_PEAK), normal);
            FloatVector.fromArray(LANES, dy, dyAt + i).mul(slope).intoArray(dx, dxAt + i);
        }
    }

    static void tanhGradient(
            float[] x,
            int xAt,
            float[] bias,
            int biasAt,
            int biasStep,
            float[] dy,
            int dyAt,
            float[] dx,
            int dxAt,
            int whole) {
        for (int i = 0, b = biasAt; i < whole; i += LANES.length(), b += biasStep) {
            FloatVector z = FloatVector.fromArray(LANES, x, xAt + i).add(FloatVector.fromArray(LANES, bias, b));
            FloatVector square = z.mul(z);
            FloatVector u = z.mul(square.fma(
                    FloatVector.broadcast(LANES, -2 * ROOT_2_PI * CUBIC),
                    FloatVector.broadcast(LANES, -2 * ROOT_2_PI)));
            FloatVector s =
                    FloatVector.broadcast(LANES, 1f).div(VectorMath.exp(u).add(1f));
            FloatVector inner = square.fma(
                    FloatVector.broadcast(LANES, 6 * ROOT_2_PI * CUBIC), FloatVector.broadcast(LANES, 2 * ROOT_2_PI));
            FloatVector slope =
                    FloatVector.broadcast(LANES, 1f).sub(s).mul(z).mul(inner).fma(s, s);
            FloatVector.fromArray(LANES, dy, dyAt + i).mul(slope).intoArray(dx, dxAt + i);
        }
    }
}
