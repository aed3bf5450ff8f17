package dev.kindling.device.cpu.rows;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.device.Gelu;
import java.util.Arrays;
import java.util.Random;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Vectors and plain Java side by side, over sizes that do and do not fill vectors. */
class RowKernelsTest {
    private static final int MARGIN = 3;

    private final RowKernels scalar = new ScalarRows();
    private final RowKernels vector = new VectorRows();
    private final Random random = new Random(17);

    private float[] row(int n) {
        float[] row = new float[n + 2 * MARGIN];
        for (int i = 0; i < row.length; i++) {
            row[i] = (float) random.nextGaussian();
        }
        return row;
    }

    /** Runs both on copies of {@code target} and compares all of it, the margins bit for bit. */
    private void compare(float[] target, BiConsumer<RowKernels, float[]> body) {
        float[] expected = target.clone();
        float[] actual = target.clone();
        body.accept(scalar, expected);
        body.accept(vector, actual);
        for (int i = 0; i < target.length; i++) {
            if (i < MARGIN || i >= target.length - MARGIN) {
                assertThat(actual[i]).isEqualTo(target[i]);
                assertThat(expected[i]).isEqualTo(target[i]);
            }
            assertThat(actual[i])
                    .as("element %d", i - MARGIN)
                    .isCloseTo(expected[i], within(2e-6f * Math.max(1, Math.abs(expected[i]))));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 16, 33, 207, 4098})
    void agree(int n) {
        float[] a = row(n);
        float[] b = row(n);
        float[] weight = row(n);
        compare(row(n), (k, y) -> k.add(a, MARGIN, y, MARGIN, n));
        compare(row(n), (k, y) -> k.sum(a, MARGIN, b, MARGIN, y, MARGIN, n));
        compare(row(n), (k, y) -> k.scale(a, MARGIN, 1.7f, y, MARGIN, n));
        compare(row(n), (k, y) -> k.multiply(a, MARGIN, b, MARGIN, y, MARGIN, n));
        compare(row(n), (k, y) -> k.exponentials(a, MARGIN, 1.3f, 0.4f, y, MARGIN, n));
        compare(row(n), (k, y) -> k.softmaxGradient(a, MARGIN, y, MARGIN, 0.3f, 1.1f, n));
        for (Gelu.Form form : Gelu.Form.values()) {
            compare(row(n), (k, y) -> k.gelu(form, a, MARGIN, b, MARGIN, y, MARGIN, n));
            RowKernels.GeluRow input = new RowKernels.GeluRow(form, a, MARGIN, null, 0);
            compare(row(n), (k, y) -> k.geluGradient(input, b, MARGIN, y, MARGIN, n));
        }
        RowKernels.NormalizedRow normalized = new RowKernels.NormalizedRow(a, MARGIN, 0.2f, 1.4f, weight, MARGIN);
        compare(row(n), (k, y) -> k.normalize(normalized, b, MARGIN, y, MARGIN, n));
        compare(
                row(n),
                (k, y) -> k.normalizeGradient(
                        normalized,
                        new RowKernels.NormalizedGradient(b, MARGIN, y, MARGIN, true, new float[n], 0, -1),
                        n));
        compare(
                row(n),
                (k, y) -> k.normalizeGradient(
                        normalized,
                        new RowKernels.NormalizedGradient(b, MARGIN, new float[n], 0, false, y, MARGIN, -1),
                        n));
        float size = 3e-6f * n;
        assertThat(vector.total(a, MARGIN, n)).isCloseTo(scalar.total(a, MARGIN, n), within(size));
        assertThat(vector.squares(a, MARGIN, n, 0.5f)).isCloseTo(scalar.squares(a, MARGIN, n, 0.5f), within(size));
        assertThat(vector.dot(a, MARGIN, b, MARGIN, n)).isCloseTo(scalar.dot(a, MARGIN, b, MARGIN, n), within(size));
        assertThat(vector.max(a, MARGIN, n)).isEqualTo(scalar.max(a, MARGIN, n));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 16, 33, 207, 4098})
    void roundToTheSameBits(int n) {
        float[] x = row(n);
        float[] residual = row(n);
        float[][] rounded = new float[2][];
        float[][] left = new float[2][];
        short[][] bits = new short[2][n];
        float[][] back = new float[2][n];
        RowKernels[] both = {scalar, vector};
        for (int k = 0; k < 2; k++) {
            rounded[k] = x.clone();
            left[k] = residual.clone();
            both[k].roundToBf16(rounded[k], MARGIN, left[k], MARGIN, n);
            both[k].toBf16(x, MARGIN, bits[k], 0, n);
            both[k].fromBf16(bits[k], 0, back[k], 0, n);
        }
        assertThat(rounded[1]).isEqualTo(rounded[0]).startsWith(Arrays.copyOf(x, MARGIN));
        assertThat(left[1]).isEqualTo(left[0]).startsWith(Arrays.copyOf(residual, MARGIN));
        assertThat(bits[1]).isEqualTo(bits[0]);
        assertThat(back[1]).isEqualTo(back[0]);
        for (int i = 0; i < n; i++) {
            assertThat(back[0][i]).isCloseTo(x[MARGIN + i], within(Math.abs(x[MARGIN + i]) / 256));
        }
    }

    @Test
    void exponentialsAreExactEverywhere() {
        int n = 4001;
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = -100 + i * 0.047f;
        }
        for (RowKernels kernels : new RowKernels[] {scalar, vector}) {
            float[] y = new float[n];
            kernels.exponentials(x, 0, 1, 0, y, 0, n);
            for (int i = 0; i < n; i++) {
                double exact = Math.exp(x[i]);
                if (exact < Float.MIN_NORMAL) {
                    assertThat(y[i]).isZero();
                } else {
                    assertThat((double) y[i]).as("exp(%s)", x[i]).isCloseTo(exact, within(2e-7 * exact));
                }
            }
            float[] special = {Float.NEGATIVE_INFINITY, Float.NaN, -1e30f, 0};
            kernels.exponentials(special, 0, 1, 0, special, 0, 4);
            assertThat(special[0]).isZero();
            assertThat(special[1]).isNaN();
            assertThat(special[2]).isZero();
            assertThat(special[3]).isEqualTo(1f);
        }
    }
}
