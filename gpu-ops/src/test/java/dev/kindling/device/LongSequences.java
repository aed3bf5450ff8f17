package dev.kindling.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.reference.ReferenceDropout;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;

/**
 * Fused causal attention of one long sequence: some rows of the results against double precision, each from the values as
 * the device stores them. A whole reference would take O(T^2).
 */
final class LongSequences {
    private static final int D = 32;

    private final OpsFixture f;
    private final int length;
    private final ReferenceDropout mask;
    private final AttentionInputs inputs;
    private final double[][] q;
    private final double[][] k;
    private final double[][] v;

    LongSequences(OpsFixture f, int length, Dropout dropout) {
        this.f = f;
        this.length = length;
        mask = new ReferenceDropout(dropout, OpsFixture.STEP.seed(), OpsFixture.STEP.stream());
        Tensor query = f.activation(1, 1, length, D);
        Tensor key = f.activation(1, 1, length, D);
        Tensor value = f.activation(1, 1, length, D);
        inputs = CausalInputs.of(query, key, value, dropout);
        q = f.rows(query);
        k = f.rows(key);
        v = f.rows(value);
    }

    void check(FusedAttention kernel) {
        Tensor out = f.poisoned(1, 1, length, D);
        Tensor saved = f.poisoned(DType.F32, kernel.saved(inputs));
        kernel.forward(inputs, out, saved);
        double[] lse = f.read(Tensor.dense(saved.buffer(), saved.offset(), Shape.of(length)));
        double[][] o = f.rows(out);
        Tensor dOut = f.activation(1, 1, length, D);
        Tensor[] gradients = {f.poisoned(1, 1, length, D), f.poisoned(1, 1, length, D), f.poisoned(1, 1, length, D)};
        kernel.backward(
                inputs, out, saved, new AttentionInputs.Gradients(dOut, gradients[0], gradients[1], gradients[2]));
        double[][] dO = f.rows(dOut);
        double[][] dQ = f.rows(gradients[0]);
        double[][] dK = f.rows(gradients[1]);
        double[][] dV = f.rows(gradients[2]);
        for (int at : new int[] {0, 1, length / 2 + 3, length - 65, length - 1}) {
            assertClose("output " + at, o[at], output(at, lse[at]));
            assertClose("gradient of query " + at, dQ[at], queryGradient(at, lse, o, dO));
            double[][] expected = keyAndValueGradient(at, lse, o, dO);
            assertClose("gradient of key " + at, dK[at], expected[0]);
            assertClose("gradient of value " + at, dV[at], expected[1]);
        }
    }

    private double probability(int row, int column, double lse) {
        return Math.exp(dot(q[row], k[column]) * inputs.scale() - lse);
    }

    private double kept(int row, int column) {
        return mask.attention(row, column, length);
    }

    private double[] output(int row, double lse) {
        double[] sum = new double[D];
        double probabilities = 0;
        for (int column = 0; column <= row; column++) {
            double p = probability(row, column, lse);
            probabilities += p;
            add(sum, v[column], p * kept(row, column));
        }
        assertThat(probabilities).as("probabilities of row %d", row).isCloseTo(1, within(100 * f.tolerance()));
        return sum;
    }

    private double scoreGradient(int row, int column, double[] lse, double[][] o, double[][] dO) {
        double dP = dot(dO[row], v[column]) * kept(row, column);
        return probability(row, column, lse[row]) * (dP - dot(dO[row], o[row])) * inputs.scale();
    }

    private double[] queryGradient(int row, double[] lse, double[][] o, double[][] dO) {
        double[] sum = new double[D];
        for (int column = 0; column <= row; column++) {
            add(sum, k[column], scoreGradient(row, column, lse, o, dO));
        }
        return sum;
    }

    private double[][] keyAndValueGradient(int column, double[] lse, double[][] o, double[][] dO) {
        double[][] sums = new double[2][D];
        for (int row = column; row < length; row++) {
            add(sums[0], q[row], scoreGradient(row, column, lse, o, dO));
            add(sums[1], dO[row], probability(row, column, lse[row]) * kept(row, column));
        }
        return sums;
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < D; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    private static void add(double[] to, double[] x, double factor) {
        for (int i = 0; i < D; i++) {
            to[i] += factor * x[i];
        }
    }

    private void assertClose(String what, double[] actual, double[] expected) {
        double size = 0;
        for (double value : expected) {
            size = Math.max(size, Math.abs(value));
        }
        assertThat(actual).as(what).containsExactly(expected, within(20 * f.attentionTolerance() * (size + 0.01)));
    }
}
