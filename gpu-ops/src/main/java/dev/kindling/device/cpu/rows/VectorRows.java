package dev.kindling.device.cpu.rows;

import static dev.kindling.device.cpu.rows.VectorMath.LANES;
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
public final class VectorRows implements RowKernels {
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

    @Override
    public void scale(float[] x, int xAt, float factor, float[] y, int yAt, int n) {
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            FloatVector.fromArray(LANES, x, xAt + i).mul(factor).intoArray(y, yAt + i);
        }
        rest.scale(x, xAt + i, factor, y, yAt + i, n - i);
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
        return VectorMath.sum(s0.add(s1).toArray()) + rest.total(x, at + i, n - i);
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
        return VectorMath.sum(s0.add(s1).toArray()) + rest.squares(x, at + i, n - i, center);
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
        return VectorMath.sum(s0.add(s1).toArray()) + rest.dot(a, aAt + i, b, bAt + i, n - i);
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
        return VectorMath.sum(sum.toArray()) + rest.exponentials(x, xAt + i, factor, shift, y, yAt + i, n - i);
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
            VectorGelu.erf(source, at, y, yAt, whole);
        } else {
            VectorGelu.tanh(source, at, y, yAt, whole);
        }
        rest.gelu(form, x, xAt + whole, bias, biasAt + whole, y, yAt + whole, n - whole);
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
            VectorGelu.erfGradient(x, xAt, bias, biasAt, biasStep, dy, dyAt, dx, dxAt, whole);
        } else {
            VectorGelu.tanhGradient(x, xAt, bias, biasAt, biasStep, dy, dyAt, dx, dxAt, whole);
        }
        GeluRow end = new GeluRow(row.form(), x, xAt + whole, row.bias(), row.biasAt() + whole);
        rest.geluGradient(end, dy, dyAt + whole, dx, dxAt + whole, n - whole);
    }

    @Override
    public void normalize(NormalizedRow row, float[] bias, int biasAt, float[] y, int yAt, int n) {
        int i = VectorLayerNorm.normalize(row, bias, biasAt, y, yAt, n);
        if (i < n) {
            NormalizedRow end =
                    new NormalizedRow(row.x(), row.xAt() + i, row.mean(), row.rstd(), row.weight(), row.weightAt() + i);
            rest.normalize(end, bias, biasAt + i, y, yAt + i, n - i);
        }
    }

    @Override
    public void normalizeGradient(NormalizedRow row, NormalizedGradient gradient, int n) {
        if (gradient.dBiasAt() >= 0) {
            add(gradient.dy(), gradient.dyAt(), gradient.sums(), gradient.dBiasAt(), n);
        }
        VectorLayerNorm.gradient(row, gradient, n);
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
