package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.ScalarMath.CUBIC;
import static dev.kindling.device.cpu.ScalarMath.NORMAL_PEAK;
import static dev.kindling.device.cpu.ScalarMath.ROOT_2_PI;
import static dev.kindling.device.cpu.VectorMath.LANES;
import static jdk.incubator.vector.VectorOperators.MAX;

import dev.kindling.device.Gelu;
import jdk.incubator.vector.FloatVector;

/** {@link RowKernels} in the Vector API; what does not fill a vector at the end of a row is done by {@link ScalarRows}. */
final class VectorRows implements RowKernels {
    private static final int STEP = LANES.length();

    private final ScalarRows rest = new ScalarRows();

    private static FloatVector load(float[] x, int at) {
        return FloatVector.fromArray(LANES, x, at);
    }

    private static FloatVector all(float value) {
        return FloatVector.broadcast(LANES, value);
    }

    @Override
    public void add(float[] x, int xAt, float[] into, int at, int n) {
        sum(into, at, x, xAt, into, at, n);
    }

    @Override
    public void sum(float[] a, int aAt, float[] b, int bAt, float[] y, int yAt, int n) {
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            load(a, aAt + i).add(load(b, bAt + i)).intoArray(y, yAt + i);
        }
        rest.sum(a, aAt + i, b, bAt + i, y, yAt + i, n - i);
    }

    @Override
    public void scale(float[] x, int xAt, float factor, float[] y, int yAt, int n) {
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            load(x, xAt + i).mul(factor).intoArray(y, yAt + i);
        }
        rest.scale(x, xAt + i, factor, y, yAt + i, n - i);
    }

    @Override
    public void addScaled(float[] x, int xAt, float factor, float[] into, int at, int n) {
        FloatVector f = all(factor);
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            load(x, xAt + i).fma(f, load(into, at + i)).intoArray(into, at + i);
        }
        rest.addScaled(x, xAt + i, factor, into, at + i, n - i);
    }

    @Override
    public void multiply(float[] a, int aAt, float[] b, int bAt, float[] y, int yAt, int n) {
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            load(a, aAt + i).mul(load(b, bAt + i)).intoArray(y, yAt + i);
        }
        rest.multiply(a, aAt + i, b, bAt + i, y, yAt + i, n - i);
    }

    @Override
    public float total(float[] x, int at, int n) {
        FloatVector s0 = all(0f);
        FloatVector s1 = s0;
        int i = 0;
        for (; i <= n - 2 * STEP; i += 2 * STEP) {
            s0 = s0.add(load(x, at + i));
            s1 = s1.add(load(x, at + i + STEP));
        }
        for (; i <= n - STEP; i += STEP) {
            s0 = s0.add(load(x, at + i));
        }
        return VectorMath.sum(s0.add(s1)) + rest.total(x, at + i, n - i);
    }

    @Override
    public float squares(float[] x, int at, int n, float center) {
        FloatVector c = all(center);
        FloatVector s0 = all(0f);
        FloatVector s1 = s0;
        int i = 0;
        for (; i <= n - 2 * STEP; i += 2 * STEP) {
            FloatVector d0 = load(x, at + i).sub(c);
            FloatVector d1 = load(x, at + i + STEP).sub(c);
            s0 = d0.fma(d0, s0);
            s1 = d1.fma(d1, s1);
        }
        for (; i <= n - STEP; i += STEP) {
            FloatVector d = load(x, at + i).sub(c);
            s0 = d.fma(d, s0);
        }
        return VectorMath.sum(s0.add(s1)) + rest.squares(x, at + i, n - i, center);
    }

    @Override
    public float dot(float[] a, int aAt, float[] b, int bAt, int n) {
        FloatVector s0 = all(0f);
        FloatVector s1 = s0;
        int i = 0;
        for (; i <= n - 2 * STEP; i += 2 * STEP) {
            s0 = load(a, aAt + i).fma(load(b, bAt + i), s0);
            s1 = load(a, aAt + i + STEP).fma(load(b, bAt + i + STEP), s1);
        }
        for (; i <= n - STEP; i += STEP) {
            s0 = load(a, aAt + i).fma(load(b, bAt + i), s0);
        }
        return VectorMath.sum(s0.add(s1)) + rest.dot(a, aAt + i, b, bAt + i, n - i);
    }

    @Override
    public float max(float[] x, int at, int n) {
        float max = Float.NEGATIVE_INFINITY;
        int i = 0;
        if (n >= STEP) {
            FloatVector most = load(x, at);
            for (i = STEP; i <= n - STEP; i += STEP) {
                most = most.max(load(x, at + i));
            }
            max = most.reduceLanes(MAX);
        }
        return Math.max(max, rest.max(x, at + i, n - i));
    }

    @Override
    public float exponentials(float[] x, int xAt, float factor, float shift, float[] y, int yAt, int n) {
        FloatVector f = all(factor);
        FloatVector s = all(-shift);
        FloatVector sum = all(0f);
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            FloatVector e = VectorMath.exp(load(x, xAt + i).fma(f, s));
            e.intoArray(y, yAt + i);
            sum = sum.add(e);
        }
        return VectorMath.sum(sum) + rest.exponentials(x, xAt + i, factor, shift, y, yAt + i, n - i);
    }

    @Override
    public void softmaxGradient(float[] p, int pAt, float[] dp, int at, float center, float factor, int n) {
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            FloatVector weight = load(p, pAt + i).mul(factor);
            load(dp, at + i).sub(center).mul(weight).intoArray(dp, at + i);
        }
        rest.softmaxGradient(p, pAt + i, dp, at + i, center, factor, n - i);
    }

    @Override
    public void gelu(Gelu.Form form, float[] x, int xAt, float[] bias, int biasAt, float[] y, int yAt, int n) {
        int i = 0;
        if (form == Gelu.Form.ERF) {
            for (; i <= n - STEP; i += STEP) {
                FloatVector z = biased(x, xAt + i, bias, biasAt + i);
                z.mul(VectorMath.normal(z, VectorMath.exp(z.mul(z).mul(-0.5f)))).intoArray(y, yAt + i);
            }
        } else {
            for (; i <= n - STEP; i += STEP) {
                FloatVector z = biased(x, xAt + i, bias, biasAt + i);
                z.mul(sigmoidOfTwice(z)).intoArray(y, yAt + i);
            }
        }
        rest.gelu(form, x, xAt + i, bias, biasAt + i, y, yAt + i, n - i);
    }

    private static FloatVector biased(float[] x, int xAt, float[] bias, int biasAt) {
        FloatVector z = load(x, xAt);
        return bias == null ? z : z.add(load(bias, biasAt));
    }

    private static FloatVector sigmoidOfTwice(FloatVector z) {
        FloatVector u = z.mul(z.mul(z).fma(all(-2 * ROOT_2_PI * CUBIC), all(-2 * ROOT_2_PI)));
        return all(1f).div(VectorMath.exp(u).add(1f));
    }

    @Override
    public void geluGradient(GeluRow row, float[] dy, int dyAt, float[] dx, int dxAt, int n) {
        float[] x = row.x();
        float[] bias = row.bias();
        int xAt = row.xAt();
        int biasAt = row.biasAt();
        int i = 0;
        if (row.form() == Gelu.Form.ERF) {
            for (; i <= n - STEP; i += STEP) {
                FloatVector z = biased(x, xAt + i, bias, biasAt + i);
                FloatVector e = VectorMath.exp(z.mul(z).mul(-0.5f));
                FloatVector slope = z.mul(e).fma(all(NORMAL_PEAK), VectorMath.normal(z, e));
                load(dy, dyAt + i).mul(slope).intoArray(dx, dxAt + i);
            }
        } else {
            for (; i <= n - STEP; i += STEP) {
                FloatVector z = biased(x, xAt + i, bias, biasAt + i);
                FloatVector s = sigmoidOfTwice(z);
                FloatVector inner = z.mul(z).fma(all(6 * ROOT_2_PI * CUBIC), all(2 * ROOT_2_PI));
                FloatVector slope = all(1f).sub(s).mul(z).mul(inner).fma(s, s);
                load(dy, dyAt + i).mul(slope).intoArray(dx, dxAt + i);
            }
        }
        GeluRow end = new GeluRow(row.form(), x, xAt + i, bias, biasAt + i);
        rest.geluGradient(end, dy, dyAt + i, dx, dxAt + i, n - i);
    }

    @Override
    public void normalize(NormalizedRow row, float[] bias, int biasAt, float[] y, int yAt, int n) {
        float[] x = row.x();
        float[] weight = row.weight();
        FloatVector mean = all(row.mean());
        FloatVector rstd = all(row.rstd());
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            FloatVector unit = load(x, row.xAt() + i).sub(mean).mul(rstd);
            FloatVector scaled = unit.mul(load(weight, row.weightAt() + i));
            (bias == null ? scaled : scaled.add(load(bias, biasAt + i))).intoArray(y, yAt + i);
        }
        if (i < n) {
            NormalizedRow end = new NormalizedRow(x, row.xAt() + i, row.mean(), row.rstd(), weight, row.weightAt() + i);
            rest.normalize(end, bias, biasAt + i, y, yAt + i, n - i);
        }
    }

    @Override
    public void normalizeGradient(NormalizedRow row, NormalizedGradient gradient, int n) {
        float[] sums = gradient.sums();
        FloatVector mean = all(row.mean());
        FloatVector rstd = all(row.rstd());
        FloatVector sum = all(0f);
        FloatVector projection = all(0f);
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            FloatVector unit = load(row.x(), row.xAt() + i).sub(mean).mul(rstd);
            FloatVector d = load(gradient.dy(), gradient.dyAt() + i);
            FloatVector g = d.mul(load(row.weight(), row.weightAt() + i));
            sum = sum.add(g);
            projection = g.fma(unit, projection);
            int at = gradient.dWeightAt() + i;
            d.fma(unit, load(sums, at)).intoArray(sums, at);
        }
        float total = VectorMath.sum(sum);
        float along = VectorMath.sum(projection);
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
        float[] dx = gradient.dx();
        int dxAt = gradient.dxAt();
        FloatVector center = all(row.mean());
        FloatVector rstd = all(row.rstd());
        FloatVector along = all(-projection);
        boolean accumulate = gradient.accumulate();
        int i = 0;
        for (; i <= n - STEP; i += STEP) {
            FloatVector unit = load(row.x(), row.xAt() + i).sub(center).mul(rstd);
            FloatVector g = load(gradient.dy(), gradient.dyAt() + i).mul(load(row.weight(), row.weightAt() + i));
            FloatVector d = unit.fma(along, g.sub(mean));
            FloatVector before = accumulate ? load(dx, dxAt + i) : all(0f);
            d.fma(rstd, before).intoArray(dx, dxAt + i);
        }
        ScalarRows.spread(row, gradient, mean, projection, i, n);
    }

    @Override
    public void adamW(AdamWArrays a, int at, int n) {
        float[] p = a.p();
        float[] g = a.g();
        float[] m = a.m();
        float[] v = a.v();
        FloatVector beta2 = all(a.beta2());
        FloatVector less1 = all(1 - a.beta1());
        FloatVector less2 = all(1 - a.beta2());
        FloatVector correction = all(a.rootCorrection());
        FloatVector epsilon = all(a.epsilon());
        FloatVector decay = all(a.decay());
        int i = at;
        for (; i <= at + n - STEP; i += STEP) {
            FloatVector gradient = load(g, a.gAt() + i).mul(a.gradientScale());
            FloatVector first = load(m, a.mAt() + i);
            first = gradient.sub(first).fma(less1, first);
            FloatVector second = load(v, a.vAt() + i).mul(beta2);
            second = gradient.mul(gradient).fma(less2, second);
            FloatVector root = second.sqrt().fma(correction, epsilon);
            FloatVector weight = load(p, a.pAt() + i);
            first.intoArray(m, a.mAt() + i);
            second.intoArray(v, a.vAt() + i);
            weight.sub(weight.fma(decay, first.mul(a.stepSize()).div(root))).intoArray(p, a.pAt() + i);
        }
        rest.adamW(a, i, at + n - i);
    }
}
