package dev.kindling.reference;

/**
 * Attention of one head of one sequence: o = dropout(softmax(scale q k^T + mask)) v, with everything kept. Matrices are
 * rows of doubles.
 */
public final class ReferenceAttention {
    private final double[][] q;
    private final double[][] k;
    private final double[][] v;
    private final double scale;
    /** Factor of the dropped probability. */
    private final Keep keep;

    private final double[][] p;
    private final double[] lse;

    /** A number for a row and a column. */
    @FunctionalInterface
    public interface Keep {
        double at(int row, int column);
    }

    /** @param mask added to the scores; -infinity hides */
    public ReferenceAttention(double[][] q, double[][] k, double[][] v, double scale, Keep mask, Keep keep) {
        this.q = q;
        this.k = k;
        this.v = v;
        this.scale = scale;
        this.keep = keep;
        p = new double[q.length][k.length];
        lse = new double[q.length];
        for (int i = 0; i < q.length; i++) {
            softmax(i, mask);
        }
    }

    /** Hides what the bottom-right aligned causal mask hides. */
    public static Keep causal(int queries, int keys) {
        return (row, column) -> column <= row + keys - queries ? 0 : Double.NEGATIVE_INFINITY;
    }

    private void softmax(int i, Keep mask) {
        double max = Double.NEGATIVE_INFINITY;
        for (int j = 0; j < k.length; j++) {
            double hidden = mask.at(i, j);
            p[i][j] = hidden == Double.NEGATIVE_INFINITY ? hidden : scale * dot(q[i], k[j]) + hidden;
            max = Math.max(max, p[i][j]);
        }
        double sum = 0;
        for (int j = 0; j < k.length; j++) {
            p[i][j] = max == Double.NEGATIVE_INFINITY ? 0 : Math.exp(p[i][j] - max);
            sum += p[i][j];
        }
        for (int j = 0; j < k.length && sum > 0; j++) {
            p[i][j] /= sum;
        }
        lse[i] = sum > 0 ? max + Math.log(sum) : Double.POSITIVE_INFINITY;
    }

    public double[][] probabilities() {
        return p;
    }

    public double[][] dropped() {
        double[][] dropped = new double[q.length][k.length];
        for (int i = 0; i < q.length; i++) {
            for (int j = 0; j < k.length; j++) {
                dropped[i][j] = p[i][j] == 0 ? 0 : p[i][j] * keep.at(i, j);
            }
        }
        return dropped;
    }

    public double[] logSumExp() {
        return lse;
    }

    public double[][] out() {
        double[][] pd = dropped();
        double[][] out = new double[q.length][v.length == 0 ? 0 : v[0].length];
        for (int i = 0; i < q.length; i++) {
            for (int j = 0; j < k.length; j++) {
                addTo(out[i], pd[i][j], v[j]);
            }
        }
        return out;
    }

    /** Gradients of the scores before scaling, of queries, keys and values, in this order. */
    public double[][][] backward(double[][] dOut) {
        double[][] pd = dropped();
        int depth = q.length == 0 ? 0 : q[0].length;
        int valueDepth = v.length == 0 ? 0 : v[0].length;
        double[][] ds = new double[q.length][k.length];
        double[][] dq = new double[q.length][depth];
        double[][] dk = new double[k.length][depth];
        double[][] dv = new double[k.length][valueDepth];
        for (int i = 0; i < q.length; i++) {
            double center = 0;
            for (int j = 0; j < k.length; j++) {
                ds[i][j] = p[i][j] == 0 ? 0 : dot(dOut[i], v[j]) * keep.at(i, j);
                center += p[i][j] * ds[i][j];
            }
            for (int j = 0; j < k.length; j++) {
                ds[i][j] = scale * p[i][j] * (ds[i][j] - center);
                addTo(dq[i], ds[i][j], k[j]);
                addTo(dk[j], ds[i][j], q[i]);
                addTo(dv[j], pd[i][j], dOut[i]);
            }
        }
        return new double[][][] {ds, dq, dk, dv};
    }

    private static void addTo(double[] into, double factor, double[] x) {
        for (int i = 0; i < x.length && factor != 0; i++) {
            into[i] += factor * x[i];
        }
    }

    static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
