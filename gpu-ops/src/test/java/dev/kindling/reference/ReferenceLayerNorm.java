package dev.kindling.reference;

import dev.kindling.device.ResidualLayerNorm;

/** Layernorm of one row, and its gradients. */
public final class ReferenceLayerNorm {
    private ReferenceLayerNorm() {}

    /** mean and 1 / sqrt(variance + epsilon). */
    public static double[] statistics(double[] x) {
        double mean = 0;
        for (double value : x) {
            mean += value / x.length;
        }
        double variance = 0;
        for (double value : x) {
            variance += (value - mean) * (value - mean) / x.length;
        }
        return new double[] {mean, 1 / Math.sqrt(variance + ResidualLayerNorm.EPSILON)};
    }

    public static double[] forward(double[] x, double[] weight, double[] bias) {
        double[] statistics = statistics(x);
        double[] y = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            y[i] = (x[i] - statistics[0]) * statistics[1] * weight[i] + (bias == null ? 0 : bias[i]);
        }
        return y;
    }

    /** dx of one row; adds to dWeight. */
    public static double[] backward(double[] x, double[] weight, double[] dy, double[] dWeight) {
        double[] statistics = statistics(x);
        int n = x.length;
        double sum = 0;
        double projection = 0;
        for (int i = 0; i < n; i++) {
            double unit = (x[i] - statistics[0]) * statistics[1];
            sum += dy[i] * weight[i] / n;
            projection += dy[i] * weight[i] * unit / n;
            dWeight[i] += dy[i] * unit;
        }
        double[] dx = new double[n];
        for (int i = 0; i < n; i++) {
            double unit = (x[i] - statistics[0]) * statistics[1];
            dx[i] = statistics[1] * (dy[i] * weight[i] - sum - unit * projection);
        }
        return dx;
    }
}
