package dev.kindling.device.cpu.rows;

import static dev.kindling.device.cpu.rows.ScalarMath.CUBIC;
import static dev.kindling.device.cpu.rows.ScalarMath.NORMAL_PEAK;
import static dev.kindling.device.cpu.rows.ScalarMath.ROOT_2_PI;

import dev.kindling.device.Gelu;

/** {@link RowKernels} in plain Java; also the ends of rows that do not fill a vector. */
public final class ScalarRows implements RowKernels {
    @Override
    public void add(float[] x, int xAt, float[] into, int at, int n) {
        for (int i = 0; i < n; i++) {
            into[at + i] += x[xAt + i];
        }
    }

    @Override
    public void sum(float[] a, int aAt, float[] b, int bAt, float[] y, int yAt, int n) {
        for (int i = 0; i < n; i++) {
            y[yAt + i] = a[aAt + i] + b[bAt + i];
        }
    }

    @Override
    public void scale(float[] x, int xAt, float factor, float[] y, int yAt, int n) {
        for (int i = 0; i < n; i++) {
            y[yAt + i] = factor * x[xAt + i];
        }
    }

    @Override
    public void multiply(float[] a, int aAt, float[] b, int bAt, float[] y, int yAt, int n) {
        for (int i = 0; i < n; i++) {
            y[yAt + i] = a[aAt + i] * b[bAt + i];
        }
    }

    @Override
    public float total(float[] x, int at, int n) {
        float sum = 0;
        for (int i = 0; i < n; i++) {
            sum += x[at + i];
        }
        return sum;
    }

    @Override
    public float squares(float[] x, int at, int n, float center) {
        float sum = 0;
        for (int i = 0; i < n; i++) {
            float d = x[at + i] - center;
            sum += d * d;
        }
        return sum;
    }

    @Override
    public float dot(float[] a, int aAt, float[] b, int bAt, int n) {
        float sum = 0;
        for (int i = 0; i < n; i++) {
            sum += a[aAt + i] * b[bAt + i];
        }
        return sum;
    }

    @Override
    public float max(float[] x, int at, int n) {
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < n; i++) {
            max = Math.max(max, x[at + i]);
        }
        return max;
    }

    @Override
    public float exponentials(float[] x, int xAt, float factor, float shift, float[] y, int yAt, int n) {
        float sum = 0;
        for (int i = 0; i < n; i++) {
            float e = ScalarMath.exp(factor * x[xAt + i] - shift);
            y[yAt + i] = e;
            sum += e;
        }
        return sum;
    }

    @Override
    public void softmaxGradient(float[] p, int pAt, float[] dp, int at, float center, float factor, int n) {
        for (int i = 0; i < n; i++) {
            dp[at + i] = factor * p[pAt + i] * (dp[at + i] - center);
        }
    }

    @Override
    public void gelu(Gelu.Form form, float[] x, int xAt, float[] bias, int biasAt, float[] y, int yAt, int n) {
        for (int i = 0; i < n; i++) {
            float z = bias == null ? x[xAt + i] : x[xAt + i] + bias[biasAt + i];
            if (form == Gelu.Form.ERF) {
                y[yAt + i] = z * ScalarMath.normal(z, ScalarMath.exp(-0.5f * z * z));
            } else {
                y[yAt + i] = z * sigmoidOfTwice(z);
            }
        }
    }

    /** (1 + tanh u) / 2 = 1 / (1 + exp(-2 u)). */
    private static float sigmoidOfTwice(float z) {
        float u = ROOT_2_PI * z * (1 + CUBIC * z * z);
        return 1f / (1f + ScalarMath.exp(-2 * u));
    }

    @Override
    public void geluGradient(GeluRow row, float[] dy, int dyAt, float[] dx, int dxAt, int n) {
        float[] bias = row.bias();
        for (int i = 0; i < n; i++) {
            float z = row.x()[row.xAt() + i];
            if (bias != null) {
                z += bias[row.biasAt() + i];
            }
            float slope;
            if (row.form() == Gelu.Form.ERF) {
                float e = ScalarMath.exp(-0.5f * z * z);
                slope = ScalarMath.normal(z, e) + z * NORMAL_PEAK * e;
            } else {
                float s = sigmoidOfTwice(z);
                slope = s + z * s * (1 - s) * (2 * ROOT_2_PI) * (1 + 3 * CUBIC * z * z);
            }
            dx[dxAt + i] = dy[dyAt + i] * slope;
        }
    }

    @Override
    public void normalize(NormalizedRow row, float[] bias, int biasAt, float[] y, int yAt, int n) {
        for (int i = 0; i < n; i++) {
            float unit = (row.x()[row.xAt() + i] - row.mean()) * row.rstd();
            float scaled = unit * row.weight()[row.weightAt() + i];
            y[yAt + i] = bias == null ? scaled : scaled + bias[biasAt + i];
        }
    }

    @Override
    public void normalizeGradient(NormalizedRow row, NormalizedGradient gradient, int n) {
        float sum = 0;
        float projection = 0;
        for (int i = 0; i < n; i++) {
            float unit = (row.x()[row.xAt() + i] - row.mean()) * row.rstd();
            float d = gradient.dy()[gradient.dyAt() + i];
            float g = d * row.weight()[row.weightAt() + i];
            sum += g;
            projection += g * unit;
            gradient.sums()[gradient.dWeightAt() + i] += d * unit;
            if (gradient.dBiasAt() >= 0) {
                gradient.sums()[gradient.dBiasAt() + i] += d;
            }
        }
        spread(row, gradient, sum / n, projection / n, 0, n);
    }

    /** The second half of {@link #normalizeGradient}, over elements {@code from .. to-1}. */
    static void spread(NormalizedRow row, NormalizedGradient gradient, float mean, float projection, int from, int to) {
        float[] dx = gradient.dx();
        for (int i = from; i < to; i++) {
            float unit = (row.x()[row.xAt() + i] - row.mean()) * row.rstd();
            float g = gradient.dy()[gradient.dyAt() + i] * row.weight()[row.weightAt() + i];
            float d = (g - mean - unit * projection) * row.rstd();
            dx[gradient.dxAt() + i] = gradient.accumulate() ? dx[gradient.dxAt() + i] + d : d;
        }
    }

    @Override
    public void roundToBf16(float[] x, int xAt, float[] residual, int at, int n) {
        for (int i = 0; i < n; i++) {
            float sum = x[xAt + i] + residual[at + i];
            float rounded = Float.intBitsToFloat(bf16Bits(sum) << 16);
            x[xAt + i] = rounded;
            residual[at + i] = sum - rounded;
        }
    }

    @Override
    public void toBf16(float[] x, int xAt, short[] y, int yAt, int n) {
        for (int i = 0; i < n; i++) {
            y[yAt + i] = (short) bf16Bits(x[xAt + i]);
        }
    }

    private static int bf16Bits(float value) {
        int bits = Float.floatToRawIntBits(value);
        return (bits + 0x7fff + (bits >>> 16 & 1)) >>> 16;
    }

    @Override
    public void fromBf16(short[] x, int xAt, float[] y, int yAt, int n) {
        for (int i = 0; i < n; i++) {
            y[yAt + i] = Float.intBitsToFloat(x[xAt + i] << 16);
        }
    }

    @Override
    public void adamW(AdamWArrays a, int at, int n) {
        for (int i = at; i < at + n; i++) {
            float g = a.gradientScale() * a.g()[a.gAt() + i];
            float m = a.m()[a.mAt() + i] + (1 - a.beta1()) * (g - a.m()[a.mAt() + i]);
            float v = a.beta2() * a.v()[a.vAt() + i] + (1 - a.beta2()) * g * g;
            float root = (float) Math.sqrt(v) * a.rootCorrection() + a.epsilon();
            float p = a.p()[a.pAt() + i];
            a.m()[a.mAt() + i] = m;
            a.v()[a.vAt() + i] = v;
            a.p()[a.pAt() + i] = p - (a.stepSize() * m / root + a.decay() * p);
        }
    }
}
