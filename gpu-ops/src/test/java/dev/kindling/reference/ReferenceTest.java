package dev.kindling.reference;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.device.Gelu;
import java.util.Arrays;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;

/** The references' own gradients against central differences, and Philox against its published vectors. */
class ReferenceTest {
    private static final double STEP = 1e-5;

    private final Random random = new Random(3);

    @Test
    void philoxGivesThePublishedWords() {
        // Known answers of the Random123 distribution for philox4x32-10.
        assertThat(ReferenceDropout.philox(new long[4], new long[2]))
                .containsExactly(0x6627e8d5L, 0xe169c58dL, 0xbc57ac4cL, 0x9b00dbd8L);
        long all = 0xFFFFFFFFL;
        assertThat(ReferenceDropout.philox(new long[] {all, all, all, all}, new long[] {all, all}))
                .containsExactly(0x408f276dL, 0x41c83b0eL, 0xa20bc7c6L, 0x6d5451fdL);
    }

    @Test
    void geluSlopesAreItsDifferences() {
        for (Gelu.Form form : Gelu.Form.values()) {
            for (double x = -6; x < 6; x += 0.37) {
                double difference =
                        (ReferenceGelu.value(form, x + STEP) - ReferenceGelu.value(form, x - STEP)) / (2 * STEP);
                assertThat(ReferenceGelu.derivative(form, x)).isBetween(difference - 1e-8, difference + 1e-8);
            }
        }
    }

    @Test
    void layerNormGradientsAreItsDifferences() {
        double[] x = row(13);
        double[] weight = row(13);
        double[] dy = row(13);
        double[] dWeight = new double[13];
        double[] dx = ReferenceLayerNorm.backward(x, weight, dy, dWeight);
        check(dx, x, moved -> dot(dy, ReferenceLayerNorm.forward(moved, weight, null)));
        check(dWeight, weight, moved -> dot(dy, ReferenceLayerNorm.forward(x, moved, null)));
    }

    @Test
    void attentionGradientsAreItsDifferences() {
        int tq = 5;
        int tk = 7;
        int d = 4;
        double[] q = row(tq * d);
        double[] k = row(tk * d);
        double[] v = row(tk * d);
        double[] dOut = row(tq * d);
        double[][][] gradients = attention(q, k, v, tq, tk, d).backward(rows(dOut, d));
        check(
                flat(gradients[1]),
                q,
                moved -> dot(dOut, flat(attention(moved, k, v, tq, tk, d).out())));
        check(
                flat(gradients[2]),
                k,
                moved -> dot(dOut, flat(attention(q, moved, v, tq, tk, d).out())));
        check(
                flat(gradients[3]),
                v,
                moved -> dot(dOut, flat(attention(q, k, moved, tq, tk, d).out())));
    }

    private static ReferenceAttention attention(double[] q, double[] k, double[] v, int tq, int tk, int d) {
        return new ReferenceAttention(
                rows(q, d),
                rows(k, d),
                rows(v, d),
                0.5,
                ReferenceAttention.causal(tq, tk),
                (row, column) -> (row + column) % 3 == 0 ? 0 : 1.5);
    }

    /** A directional derivative along a random direction. */
    private void check(double[] gradient, double[] x, ToDoubleFunction<double[]> loss) {
        double[] direction = row(x.length);
        double[] up = x.clone();
        double[] down = x.clone();
        for (int i = 0; i < x.length; i++) {
            up[i] += STEP * direction[i];
            down[i] -= STEP * direction[i];
        }
        double difference = (loss.applyAsDouble(up) - loss.applyAsDouble(down)) / (2 * STEP);
        double derivative = dot(gradient, direction);
        assertThat(derivative).isNotZero().isBetween(difference - 1e-8, difference + 1e-8);
    }

    private double[] row(int n) {
        return random.doubles(n, -1.5, 1.5).toArray();
    }

    private static double[][] rows(double[] flat, int width) {
        double[][] rows = new double[flat.length / width][];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = Arrays.copyOfRange(flat, i * width, (i + 1) * width);
        }
        return rows;
    }

    private static double[] flat(double[][] rows) {
        return Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
    }

    private static double dot(double[] a, double[] b) {
        return ReferenceAttention.dot(a, b);
    }
}
