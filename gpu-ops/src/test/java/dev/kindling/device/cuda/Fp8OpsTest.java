package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.device.Fp8Matmul;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Fp8Ops;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** FP8 operands, products and scales against double precision. */
class Fp8OpsTest extends Fp8Fixture {
    @ParameterizedTest(name = "({0}, {1}) {2} x {3}")
    @CsvSource({"16, 16, E4M3, 1", "48, 80, E4M3, 64", "128, 64, E5M2, 1", "272, 208, E5M2, 4096", "512, 384, E4M3, 16"
    })
    void quantizedMatricesHoldTheNearestNumbers(int rows, int columns, DType type, double scale) {
        double[] values = f.read(f.gaussian(DType.BF16, 3, rows, columns));
        // Beyond the largest number, below the smallest, ties, zeros of both signs.
        double[] extremes = {3e4 / scale, -3e38, 1e-30, -1e-5 / scale, 17 / scale, 19 / scale, 0, -0.0};
        System.arraycopy(extremes, 0, values, 3, extremes.length);
        Tensor x = f.of(DType.BF16, values, rows, columns);
        values = f.read(x);
        Fp8Matrix to = matrix(type, rows, columns, scale);
        ops.quantize(x, to);
        double[] expected = rounded(values, type, scale);
        assertEqual("values", read(to.rows()), expected);
        assertEqual("transposed", read(to.columns()), transposed(expected, rows, columns));
        double most = 0;
        for (double value : values) {
            most = Math.max(most, Math.abs(value));
        }
        assertThat(f.read(to.scale().maximum())).containsExactly(most);
    }

    @Test
    void manyMatricesAreQuantizedAsOneByOne() {
        List<Tensor> xs = new ArrayList<>();
        List<Fp8Matrix> together = new ArrayList<>();
        for (int i = 0; i < 50; i++) { // more than a launch takes
            int rows = 16 * (1 + i % 9);
            int columns = 16 * (1 + i * 7 % 11);
            xs.add(f.gaussian(DType.BF16, 1 + i, rows, columns));
            together.add(matrix(DType.E4M3, rows, columns, 1 << i % 5));
        }
        ops.quantize(xs, together);
        for (int i = 0; i < xs.size(); i++) {
            Fp8Matrix alone = matrix(DType.E4M3, xs.get(i).size(0), xs.get(i).size(1), 1 << i % 5);
            ops.quantize(xs.get(i), alone);
            assertThat(read(together.get(i).rows())).isEqualTo(read(alone.rows()));
            assertThat(read(together.get(i).columns())).isEqualTo(read(alone.columns()));
            assertThat(f.read(together.get(i).scale().maximum()))
                    .isEqualTo(f.read(alone.scale().maximum()));
        }
    }

    @Test
    void infinitiesAreNotLost() {
        double[] values = new double[256];
        values[7] = Double.POSITIVE_INFINITY;
        values[100] = Double.NaN;
        Fp8Matrix to = matrix(DType.E5M2, 16, 16, 1);
        ops.quantize(f.of(DType.BF16, values, 16, 16), to);
        double[] held = read(to.rows());
        // NaN times the identity's zeros spoils its row.
        assertThat(held[7]).isNaN();
        assertThat(held[100]).isNaN();
        assertThat(held[255]).isZero();
        assertThat(f.read(to.scale().maximum())).containsExactly(Double.POSITIVE_INFINITY);
    }

    @Test
    void sizesThatTensorCoresCannotReadAreRefused() {
        Fp8Matrix to = matrix(DType.E4M3, 16, 24, 1);
        assertThatThrownBy(() -> ops.quantize(f.gaussian(DType.BF16, 1, 16, 24), to))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("multiples of 16");
    }

    @ParameterizedTest(name = "({0}, {1}, {2}) {3} x {4} -> {5} bias {6} fast {7}")
    @CsvSource({
        "16, 16, 16, E4M3, E4M3, BF16, false, true",
        "208, 112, 320, E4M3, E4M3, BF16, true, true",
        "512, 384, 1152, E4M3, E4M3, BF16, true, true",
        "304, 96, 560, E5M2, E4M3, BF16, false, false",
        "384, 768, 1024, E4M3, E5M2, F32, false, false",
        "80, 48, 4112, E4M3, E5M2, F32, false, false"
    })
    void productsMatchDoublePrecision(
            int m, int n, int k, DType left, DType right, DType out, boolean biased, boolean fast) {
        Tensor x = f.gaussian(DType.BF16, 1, m, k);
        Tensor w = f.gaussian(DType.BF16, 0.02, n, k);
        Fp8Matrix a = matrix(left, m, k, 16);
        Fp8Matrix b = matrix(right, n, k, 1024);
        ops.quantize(x, a);
        ops.quantize(w, b);
        double[] as = rounded(f.read(x), left, 16);
        double[] bs = rounded(f.read(w), right, 1024);
        Tensor bias = biased ? f.gaussian(DType.BF16, 1, n) : null;
        double[] added = biased ? f.read(bias) : new double[n];
        boolean accumulate = out == DType.F32;
        Tensor c = accumulate ? f.floats(m, n) : f.poisoned(out, m, n);
        double[] expected = accumulate ? f.read(c) : new double[m * n];
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                double sum = 0;
                for (int l = 0; l < k; l++) {
                    sum += as[i * k + l] * bs[j * k + l];
                }
                expected[i * n + j] += sum + added[j];
            }
        }
        ops.matmul(new Fp8Matmul(a.rows(), b.rows(), c, bias, accumulate, fast));
        f.assertClose("product", c, expected, out == DType.F32 ? 1e-3 : 4e-3);
    }

    @Test
    void productsTakeSomeColumnsOfAMatrix() {
        Fp8Matrix a = matrix(DType.E4M3, 96, 48, 16);
        Fp8Matrix b = matrix(DType.E4M3, 96, 80, 16);
        Tensor x = f.gaussian(DType.BF16, 1, 96, 48);
        Tensor y = f.gaussian(DType.BF16, 1, 96, 80);
        ops.quantize(x, a);
        ops.quantize(y, b);
        Fp8Matrix aPart = matrix(DType.E4M3, 32, 48, 16);
        Fp8Matrix bPart = matrix(DType.E4M3, 32, 80, 16);
        ops.quantize(x.slice(0, 16, 32), aPart);
        ops.quantize(y.slice(0, 16, 32), bPart);
        Tensor expected = f.poisoned(DType.F32, 48, 80);
        ops.matmul(new Fp8Matmul(aPart.columns(), bPart.columns(), expected, null, false, false));
        Tensor c = f.poisoned(DType.F32, 48, 80);
        ops.matmul(new Fp8Matmul(a.slice(16, 32).columns(), b.slice(16, 32).columns(), c, null, false, false));
        assertThat(f.read(c)).isEqualTo(f.read(expected));
    }

    @Test
    void scalesFollowTheLargestOfTheLastSteps() {
        double[] none = new double[3 * Fp8Ops.HISTORY];
        Fp8Ops.Scales scales = new Fp8Ops.Scales(
                f.poisoned(DType.F32, 3),
                f.poisoned(DType.F32, 3, Fp8Ops.SPACING),
                f.poisoned(DType.F32, 3),
                f.of(DType.F32, new double[] {448, 57344, 448}, 3),
                f.of(DType.F32, none, 3, Fp8Ops.HISTORY));
        ops.beginStep(scales);
        // The step's loss scale is 1/4.
        assertThat(f.read(scales.scale())).containsExactly(16, 1024, 16);
        for (int step = 0; step <= Fp8Ops.HISTORY; step++) {
            ops.beginStep(scales);
            assertThat(f.read(scales.maximum())).containsExactly(0, 0, 0);
            double[] maxima = {step == 0 ? 100 : 3.5, 2, step == 1 ? Double.NaN : 448};
            f.ops().copy(f.of(DType.F32, maxima, 3), scales.maximum());
            ops.endStep(scales);
            ops.beginStep(scales);
            // 448 / 100 until that is forgotten, then 448 / 3.5; 57344 / 2; 448 / 448.
            double first = step < Fp8Ops.HISTORY ? 4 : 128;
            assertThat(f.read(scales.scale())).containsExactly(first, 16384, 1);
            assertThat(f.read(scales.inverse().select(1, 0))).containsExactly(1 / first, 1.0 / 16384, 1);
        }
    }
}
