package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.ScalarMath.A1;
import static dev.kindling.device.cpu.ScalarMath.A2;
import static dev.kindling.device.cpu.ScalarMath.A3;
import static dev.kindling.device.cpu.ScalarMath.A4;
import static dev.kindling.device.cpu.ScalarMath.A5;
import static dev.kindling.device.cpu.ScalarMath.CUBIC;
import static dev.kindling.device.cpu.ScalarMath.NORMAL_PEAK;
import static dev.kindling.device.cpu.ScalarMath.P;
import static dev.kindling.device.cpu.ScalarMath.ROOT_2_PI;
import static dev.kindling.device.cpu.ScalarMath.ROOT_HALF;
import static dev.kindling.device.cpu.VectorMath.LANES;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.MAX;

import dev.kindling.device.Gelu;
import jdk.incubator.vector.FloatVector;

/**
 * {@link RowKernels} in the Vector API; what does not fill a vector at the end of a row is done by {@link ScalarRows}.
 *
 * <p>The compiler stops inlining small methods in a method that has grown large, and a vector that meets a method which is
 * not inlined, or a choice between two vectors, is kept on the heap at ten times the cost. Hence no helpers that take
 * or return vectors but exp, which comes first in its loop, and no conditions within loops.
 */
final class VectorRows implements RowKernels {
    private static final int STEP = LANES.length();

    /** Read in place of a bias that is not there. Vectors that come from a choice would be kept on the heap. */
    private static final float[] NO_BIAS = new float[STEP];

    private final ScalarRows rest = new ScalarRows();

    @Override
    public void add(float[] x, int xAt, float[] into, int at, int n) {
        sum(into, at, x, xAt, into, at, n);
    }

    @Override
    public void sum(float[] a, int aAt, float[] b, int bAt, float[] y, int yAt, int n) {
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            FloatVector.fromArray(LANES, a, aAt + i)
                    .add(FloatVector.fromArray(LANES, b, bAt + i))
                    .intoArray(y, yAt + i);
        }
        rest.sum(a, aAt + i, b, bAt + i, y, yAt + i, n - i);
    }

    /** The sum of a vector's lanes in a fixed order; reduceLanes leaves the order, and so the bits, to the JVM. */
    private static float sum(float[] lanes) {
        float s0 = lanes[0];
        float s1 = lanes[1];
        for (int i = 2; i < lanes.length; i += 2) {
            s0 += lanes[i];
            s1 += lanes[i + 1];
        }
        return s0 + s1;
    }

    @Override
    public void scale(float[] x, int xAt, float factor, float[] y, int yAt, int n) {
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            FloatVector.fromArray(LANES, x, xAt + i).mul(factor).intoArray(y, yAt + i);
        }
        rest.scale(x, xAt + i, factor, y, yAt + i, n - i);
    }

    @Override
    public void addScaled(float[] x, int xAt, float factor, float[] into, int at, int n) {
        FloatVector f = FloatVector.broadcast(LANES, factor);
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            FloatVector.fromArray(LANES, x, xAt + i)
                    .fma(f, FloatVector.fromArray(LANES, into, at + i))
                    .intoArray(into, at + i);
        }
        rest.addScaled(x, xAt + i, factor, into, at + i, n - i);
    }

    @Override
    public void multiply(float[] a, int aAt, float[] b, int bAt, float[] y, int yAt, int n) {
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            FloatVector.fromArray(LANES, a, aAt + i)
                    .mul(FloatVector.fromArray(LANES, b, bAt + i))
                    .intoArray(y, yAt + i);
        }
        rest.multiply(a, aAt + i, b, bAt + i, y, yAt + i, n - i);
    }

    @Override
    public float total(float[] x, int at, int n) {
        FloatVector s0 = FloatVector.broadcast(LANES, 0f);
        FloatVector s1 = s0;
        int i = 0;
        for (; i <= n - 2 * STEP; i += 2 * STEP) {
            s0 = s0.add(FloatVector.fromArray(LANES, x, at + i));
            s1 = s1.add(FloatVector.fromArray(LANES, x, at + i + STEP));
        }
        for (; i <= n - STEP; i += STEP) {
            s0 = s0.add(FloatVector.fromArray(LANES, x, at + i));
        }
        return sum(s0.add(s1).toArray()) + rest.total(x, at + i, n - i);
    }

    @Override
    public float squares(float[] x, int at, int n, float center) {
        FloatVector c = FloatVector.broadcast(LANES, center);
        FloatVector s0 = FloatVector.broadcast(LANES, 0f);
        FloatVector s1 = s0;
        int i = 0;
        for (; i <= n - 2 * STEP; i += 2 * STEP) {
            FloatVector d0 = FloatVector.fromArray(LANES, x, at + i).sub(c);
            FloatVector d1 = FloatVector.fromArray(LANES, x, at + i + STEP).sub(c);
            s0 = d0.fma(d0, s0);
            s1 = d1.fma(d1, s1);
        }
        for (; i <= n - STEP; i += STEP) {
            FloatVector d = FloatVector.fromArray(LANES, x, at + i).sub(c);
            s0 = d.fma(d, s0);
        }
        return sum(s0.add(s1).toArray()) + rest.squares(x, at + i, n - i, center);
    }

    @Override
    public float dot(float[] a, int aAt, float[] b, int bAt, int n) {
        FloatVector s0 = FloatVector.broadcast(LANES, 0f);
        FloatVector s1 = s0;
        int i = 0;
        for (; i <= n - 2 * STEP; i += 2 * STEP) {
            s0 = FloatVector.fromArray(LANES, a, aAt + i).fma(FloatVector.fromArray(LANES, b, bAt + i), s0);
            s1 = FloatVector.fromArray(LANES, a, aAt + i + STEP)
                    .fma(FloatVector.fromArray(LANES, b, bAt + i + STEP), s1);
        }
        for (; i <= n - STEP; i += STEP) {
            s0 = FloatVector.fromArray(LANES, a, aAt + i).fma(FloatVector.fromArray(LANES, b, bAt + i), s0);
        }
        return sum(s0.add(s1).toArray()) + rest.dot(a, aAt + i, b, bAt + i, n - i);
    }

    @Override
    public float max(float[] x, int at, int n) {
        float max = Float.NEGATIVE_INFINITY;
        int i = 0;
        if (n >= STEP) {
            FloatVector most = FloatVector.fromArray(LANES, x, at);
            for (i = STEP; i <= n - STEP; i += STEP) {
                most = most.max(FloatVector.fromArray(LANES, x, at + i));
            }
            max = most.reduceLanes(MAX);
        }
        return Math.max(max, rest.max(x, at + i, n - i));
    }

    @Override
    public float exponentials(float[] x, int xAt, float factor, float shift, float[] y, int yAt, int n) {
        FloatVector f = FloatVector.broadcast(LANES, factor);
        FloatVector s = FloatVector.broadcast(LANES, -shift);
        FloatVector sum = FloatVector.broadcast(LANES, 0f);
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            FloatVector e =
                    VectorMath.exp(FloatVector.fromArray(LANES, x, xAt + i).fma(f, s));
            e.intoArray(y, yAt + i);
            sum = sum.add(e);
        }
        return sum(sum.toArray()) + rest.exponentials(x, xAt + i, factor, shift, y, yAt + i, n - i);
    }

    @Override
    public void softmaxGradient(float[] p, int pAt, float[] dp, int at, float center, float factor, int n) {
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            FloatVector weight = FloatVector.fromArray(LANES, p, pAt + i).mul(factor);
            FloatVector.fromArray(LANES, dp, at + i).sub(center).mul(weight).intoArray(dp, at + i);
        }
        rest.softmaxGradient(p, pAt + i, dp, at + i, center, factor, n - i);
    }

    @Override
    public void gelu(Gelu.Form form, float[] x, int xAt, float[] bias, int biasAt, float[] y, int yAt, int n) {
        int whole = n - n % STEP;
        float[] source = x;
        int at = xAt;
        if (bias != null) {
            sum(x, xAt, bias, biasAt, y, yAt, whole);
            source = y;
            at = yAt;
        }
        if (form == Gelu.Form.ERF) {
            erfForm(source, at, y, yAt, whole);
        } else {
            tanhForm(source, at, y, yAt, whole);
        }
        rest.gelu(form, x, xAt + whole, bias, biasAt + whole, y, yAt + whole, n - whole);
    }

    private static void erfForm(float[] x, int xAt, float[] y, int yAt, int whole) {
        for (int i = 0; i < whole; i += STEP) {
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
    private static void tanhForm(float[] x, int xAt, float[] y, int yAt, int whole) {
        for (int i = 0; i < whole; i += STEP) {
            FloatVector z = FloatVector.fromArray(LANES, x, xAt + i);
            FloatVector u = z.mul(z.mul(z)
                    .fma(
                            FloatVector.broadcast(LANES, -2 * ROOT_2_PI * CUBIC),
                            FloatVector.broadcast(LANES, -2 * ROOT_2_PI)));
            z.div(VectorMath.exp(u).add(1f)).intoArray(y, yAt + i);
        }
    }

    @Override
    public void geluGradient(GeluRow row, float[] dy, int dyAt, float[] dx, int dxAt, int n) {
        float[] x = row.x();
        int xAt = row.xAt();
        float[] bias = row.bias() == null ? NO_BIAS : row.bias();
        int biasAt = row.bias() == null ? 0 : row.biasAt();
        int biasStep = row.bias() == null ? 0 : STEP;
        int whole = n - n % STEP;
        if (row.form() == Gelu.Form.ERF) {
            erfSlope(x, xAt, bias, biasAt, biasStep, dy, dyAt, dx, dxAt, whole);
        } else {
            tanhSlope(x, xAt, bias, biasAt, biasStep, dy, dyAt, dx, dxAt, whole);
        }
        GeluRow end = new GeluRow(row.form(), x, xAt + whole, row.bias(), row.biasAt() + whole);
        rest.geluGradient(end, dy, dyAt + whole, dx, dxAt + whole, n - whole);
    }

    private static void erfSlope(
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
        for (int i = 0, b = biasAt; i < whole; i += STEP, b += biasStep) {
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

    private static void tanhSlope(
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
        for (int i = 0, b = biasAt; i < whole; i += STEP, b += biasStep) {
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

    @Override
    public void normalize(NormalizedRow row, float[] bias, int biasAt, float[] y, int yAt, int n) {
        float[] x = row.x();
        float[] weight = row.weight();
        FloatVector mean = FloatVector.broadcast(LANES, row.mean());
        FloatVector rstd = FloatVector.broadcast(LANES, row.rstd());
        float[] shift = bias == null ? NO_BIAS : bias;
        int shiftAt = bias == null ? 0 : biasAt;
        int shiftStep = bias == null ? 0 : STEP;
        int i = 0;
        for (; i <= n - STEP; i += STEP, shiftAt += shiftStep) {
            FloatVector unit =
                    FloatVector.fromArray(LANES, x, row.xAt() + i).sub(mean).mul(rstd);
            unit.fma(
                            FloatVector.fromArray(LANES, weight, row.weightAt() + i),
                            FloatVector.fromArray(LANES, shift, shiftAt))
                    .intoArray(y, yAt + i);
        }
        if (i < n) {
            NormalizedRow end = new NormalizedRow(x, row.xAt() + i, row.mean(), row.rstd(), weight, row.weightAt() + i);
            rest.normalize(end, bias, biasAt + i, y, yAt + i, n - i);
        }
    }

    @Override
    public void normalizeGradient(NormalizedRow row, NormalizedGradient gradient, int n) {
        float[] sums = gradient.sums();
        float[] x = row.x();
        float[] dy = gradient.dy();
        float[] weight = row.weight();
        int xAt = row.xAt();
        int dyAt = gradient.dyAt();
        int weightAt = row.weightAt();
        int sumsAt = gradient.dWeightAt();
        FloatVector mean = FloatVector.broadcast(LANES, row.mean());
        FloatVector rstd = FloatVector.broadcast(LANES, row.rstd());
        FloatVector sum = FloatVector.broadcast(LANES, 0f);
        FloatVector projection = FloatVector.broadcast(LANES, 0f);
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            FloatVector unit =
                    FloatVector.fromArray(LANES, x, xAt + i).sub(mean).mul(rstd);
            FloatVector d = FloatVector.fromArray(LANES, dy, dyAt + i);
            FloatVector g = d.mul(FloatVector.fromArray(LANES, weight, weightAt + i));
            sum = sum.add(g);
            projection = g.fma(unit, projection);
            d.fma(unit, FloatVector.fromArray(LANES, sums, sumsAt + i)).intoArray(sums, sumsAt + i);
        }
        float total = sum(sum.toArray());
        float along = sum(projection.toArray());
        for (int j = i; j < n; j++) {
            float unit = (row.x()[row.xAt() + j] - row.mean()) * row.rstd();
            float d = gradient.dy()[gradient.dyAt() + j];
            float g = d * row.weight()[row.weightAt() + j];
            total += g;
            along += g * unit;
            sums[gradient.dWeightAt() + j] += d * unit;
        }
        if (gradient.dBiasAt() >= 0) {
            add(gradient.dy(), gradient.dyAt(), sums, gradient.dBiasAt(), n);
        }
        spread(row, gradient, total / n, along / n, n);
    }

    private static void spread(NormalizedRow row, NormalizedGradient gradient, float mean, float projection, int n) {
        float[] x = row.x();
        float[] dy = gradient.dy();
        float[] weight = row.weight();
        float[] dx = gradient.dx();
        float[] before = gradient.accumulate() ? dx : NO_BIAS;
        int beforeAt = gradient.accumulate() ? gradient.dxAt() : 0;
        int beforeStep = gradient.accumulate() ? STEP : 0;
        int xAt = row.xAt();
        int dyAt = gradient.dyAt();
        int weightAt = row.weightAt();
        int dxAt = gradient.dxAt();
        FloatVector center = FloatVector.broadcast(LANES, row.mean());
        FloatVector rstd = FloatVector.broadcast(LANES, row.rstd());
        FloatVector along = FloatVector.broadcast(LANES, -projection);
        FloatVector less = FloatVector.broadcast(LANES, mean);
        int i = 0;
        for (; i <= n - STEP; i += STEP, beforeAt += beforeStep) {
            FloatVector unit =
                    FloatVector.fromArray(LANES, x, xAt + i).sub(center).mul(rstd);
            FloatVector g = FloatVector.fromArray(LANES, dy, dyAt + i)
                    .mul(FloatVector.fromArray(LANES, weight, weightAt + i))
                    .sub(less);
            unit.fma(along, g)
                    .fma(rstd, FloatVector.fromArray(LANES, before, beforeAt))
                    .intoArray(dx, dxAt + i);
        }
        ScalarRows.spread(row, gradient, mean, projection, i, n);
    }

    @Override
    public void roundToBf16(float[] x, int xAt, float[] residual, int at, int n) {
        int done = VectorBf16.round(x, xAt, residual, at, n);
        rest.roundToBf16(x, xAt + done, residual, at + done, n - done);
    }

    @Override
    public void toBf16(float[] x, int xAt, short[] y, int yAt, int n) {
        int done = VectorBf16.encode(x, xAt, y, yAt, n);
        rest.toBf16(x, xAt + done, y, yAt + done, n - done);
    }

    @Override
    public void fromBf16(short[] x, int xAt, float[] y, int yAt, int n) {
        int done = VectorBf16.decode(x, xAt, y, yAt, n);
        rest.fromBf16(x, xAt + done, y, yAt + done, n - done);
    }

    @Override
    public void adamW(AdamWArrays a, int at, int n) {
        float[] p = a.p();
        float[] g = a.g();
        float[] m = a.m();
        float[] v = a.v();
        FloatVector beta2 = FloatVector.broadcast(LANES, a.beta2());
        FloatVector less1 = FloatVector.broadcast(LANES, 1 - a.beta1());
        FloatVector less2 = FloatVector.broadcast(LANES, 1 - a.beta2());
        FloatVector correction = FloatVector.broadcast(LANES, a.rootCorrection());
        FloatVector epsilon = FloatVector.broadcast(LANES, a.epsilon());
        FloatVector decay = FloatVector.broadcast(LANES, a.decay());
        int i = at;
        for (; i <= at + n - STEP; i += STEP) {
            FloatVector gradient = FloatVector.fromArray(LANES, g, a.gAt() + i).mul(a.gradientScale());
            FloatVector first = FloatVector.fromArray(LANES, m, a.mAt() + i);
            first = gradient.sub(first).fma(less1, first);
            FloatVector second = FloatVector.fromArray(LANES, v, a.vAt() + i).mul(beta2);
            second = gradient.mul(gradient).fma(less2, second);
            FloatVector root = second.sqrt().fma(correction, epsilon);
            FloatVector weight = FloatVector.fromArray(LANES, p, a.pAt() + i);
            first.intoArray(m, a.mAt() + i);
            second.intoArray(v, a.vAt() + i);
            weight.sub(weight.fma(decay, first.mul(a.stepSize()).div(root))).intoArray(p, a.pAt() + i);
        }
        rest.adamW(a, i, at + n - i);
    }
}
