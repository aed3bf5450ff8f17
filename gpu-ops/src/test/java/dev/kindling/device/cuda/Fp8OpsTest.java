package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.device.CrossEntropy;
import dev.kindling.device.Dropout;
import dev.kindling.device.Fp8Matmul;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Fp8Ops;
import dev.kindling.device.Fp8Scale;
import dev.kindling.device.Gelu;
import dev.kindling.device.OpsFixture;
import dev.kindling.device.Precision;
import dev.kindling.device.ResidualLayerNorm;
import dev.kindling.reference.ReferenceGelu;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** FP8 operands, products and scales against double precision. Skipped without a Hopper GPU. */
class Fp8OpsTest {
    private OpsFixture f;
    private Arena arena;
    private Fp8Ops ops;

    @BeforeEach
    void open() {
        Gpu.require();
        Assumptions.assumeTrue(
                CudaDevice.devices().get(0).compute() == 90, "SKIPPED: FP8 needs a GPU of compute capability 9.0");
        f = new OpsFixture(CudaDevice.open(0, Precision.FP8));
        arena = f.device().arena("fp8");
        ops = f.ops().fp8();
    }

    @AfterEach
    void close() {
        if (f != null) {
            arena.close();
            f.close();
        }
    }

    private Tensor number(double value) {
        return f.of(DType.F32, new double[] {value}, 1);
    }

    private Fp8Matrix matrix(DType type, int rows, int columns, double scale) {
        return new Fp8Matrix(
                arena.allocate("values", type, rows, columns),
                arena.allocate("transposed", type, columns, rows),
                new Fp8Scale(number(scale), number(1 / scale), number(0)));
    }

    private Fp8Matrix identity(int size) {
        double[] values = new double[size * size];
        for (int i = 0; i < size; i++) {
            values[i * size + i] = 1;
        }
        Fp8Matrix one = matrix(DType.E4M3, size, size, 1);
        ops.quantize(f.of(DType.BF16, values, size, size), one);
        return one;
    }

    /** What an operand holds, divided by its scale: its product with the identity, which rounds nothing. */
    private double[] read(Fp8Matrix.Operand operand) {
        Tensor values = operand.values();
        Tensor c = f.poisoned(DType.F32, values.size(0), values.size(1));
        ops.matmul(new Fp8Matmul(operand, identity(values.size(1)).rows(), c, null, false, false));
        return f.read(c);
    }

    private static double[] transposed(double[] x, int rows, int columns) {
        double[] to = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            to[i % columns * rows + i / columns] = x[i];
        }
        return to;
    }

    private static double[] rounded(double[] x, DType type, double scale) {
        double[] to = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            to[i] = Fp8Rounding.of(type).round(x[i] * scale) / scale;
        }
        return to;
    }

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

    @ParameterizedTest(name = "({0}, {1}) branch {2} dropout {3}")
    @CsvSource({
        "16, 16, true, 0",
        "48, 80, true, 0.2",
        "112, 384, false, 0",
        "272, 768, true, 0",
        "80, 1040, true, 0.1",
        "96, 1600, true, 0"
    })
    void layerNormIsQuantizedInOnePass(int rows, int columns, boolean branch, float dropout) {
        Tensor residual = f.gaussian(DType.BF16, 2, rows, columns);
        Tensor sum = branch ? f.poisoned(DType.BF16, rows, columns) : residual;
        ResidualLayerNorm plain = new ResidualLayerNorm(
                residual,
                branch ? f.gaussian(DType.BF16, 1, rows, columns) : null,
                branch ? f.gaussian(DType.BF16, 1, columns) : null,
                new Dropout(dropout, 3),
                branch ? f.poisoned(DType.BF16, rows, columns) : residual,
                f.gaussian(DType.BF16, 1, columns),
                branch ? f.gaussian(DType.BF16, 1, columns) : null,
                f.poisoned(DType.BF16, rows, columns),
                f.poisoned(DType.F32, rows),
                f.poisoned(DType.F32, rows));
        ResidualLayerNorm op = new ResidualLayerNorm(
                residual,
                plain.branch(),
                plain.branchBias(),
                plain.dropout(),
                sum,
                plain.weight(),
                plain.bias(),
                null,
                f.poisoned(DType.F32, rows),
                f.poisoned(DType.F32, rows));
        f.ops().residualLayerNorm(plain);
        Fp8Matrix y = matrix(DType.E4M3, rows, columns, 16);
        ops.residualLayerNorm(op, y);
        assertThat(f.read(sum)).isEqualTo(f.read(plain.residualOut()));
        assertThat(f.read(op.mean())).isEqualTo(f.read(plain.mean()));
        assertThat(f.read(op.rstd())).isEqualTo(f.read(plain.rstd()));
        assertHolds("y", y, f.read(plain.y()), 0.04);
    }

    /** The same numbers; zero is zero. */
    private static void assertEqual(String what, double[] actual, double[] expected) {
        assertThat(actual).as(what).hasSameSizeAs(expected);
        int differs = 0;
        while (differs < actual.length && actual[differs] == expected[differs]) {
            differs++;
        }
        if (differs < actual.length) {
            assertThat(actual[differs]).as("%s[%d]", what, differs).isEqualTo(expected[differs]);
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

    @ParameterizedTest(name = "({0}, {1}) {2} bias {3}")
    @CsvSource({"16, 64, ERF, true", "272, 80, TANH, true", "512, 384, ERF, false"})
    void geluIsQuantizedInOnePass(int rows, int columns, Gelu.Form form, boolean biased) {
        Tensor x = f.gaussian(DType.BF16, 3, rows, columns);
        Gelu op = new Gelu(form, biased ? f.gaussian(DType.BF16, 1, columns) : null);
        double[] y = gelu(op, f.read(x), columns);
        Fp8Matrix to = matrix(DType.E4M3, rows, columns, 16);
        ops.gelu(op, x, to);
        assertHolds("y", to, y, 0.04);
    }

    private double[] gelu(Gelu op, double[] x, int columns) {
        double[] bias = op.bias() == null ? new double[columns] : f.read(op.bias());
        double[] y = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            y[i] = ReferenceGelu.value(op.form(), x[i] + bias[i % columns]);
        }
        return y;
    }

    @ParameterizedTest(name = "({0}, {1}) x ({1}, {2}) {3} bias {4}")
    @CsvSource({
        "16, 16, 16, ERF, true",
        "272, 80, 176, TANH, true",
        "144, 208, 272, ERF, true",
        "512, 384, 1536, ERF, false",
        "2304, 768, 3072, TANH, true"
    })
    void productAndGeluAreOnePass(int rows, int summed, int columns, Gelu.Form form, boolean biased) {
        Tensor left = f.gaussian(DType.BF16, 1, rows, summed);
        Tensor right = f.gaussian(DType.BF16, 1 / Math.sqrt(summed), columns, summed);
        Fp8Matrix a = matrix(DType.E4M3, rows, summed, 16);
        Fp8Matrix da = matrix(DType.E5M2, rows, summed, 1024);
        Fp8Matrix b = matrix(DType.E4M3, columns, summed, 256);
        ops.quantize(left, a);
        ops.quantize(left, da);
        ops.quantize(right, b);
        Gelu op = new Gelu(form, biased ? f.gaussian(DType.BF16, 1, columns) : null);

        Tensor product = f.poisoned(DType.BF16, rows, columns);
        ops.matmul(new Fp8Matmul(a.rows(), b.rows(), product, null, false, false));
        Tensor x = f.poisoned(DType.BF16, rows, columns);
        Fp8Matrix y = matrix(DType.E4M3, rows, columns, 16);
        ops.matmulGelu(a.rows(), b.rows(), op, x, y);
        f.assertClose("x", x, f.read(product), 4e-3);
        assertHolds("y", y, gelu(op, f.read(x), columns), 0.04);

        ops.matmul(new Fp8Matmul(da.rows(), b.rows(), product, null, false, false));
        double[] dx = f.read(product);
        double[] bias = biased ? f.read(op.bias()) : new double[columns];
        Tensor dBias = biased ? f.floats(columns) : null;
        double[] dBiasExpected = biased ? f.read(dBias) : new double[columns];
        double[] at = f.read(x);
        for (int i = 0; i < dx.length; i++) {
            dx[i] *= ReferenceGelu.derivative(form, at[i] + bias[i % columns]);
            dBiasExpected[i % columns] += dx[i];
        }
        Fp8Matrix gradient = matrix(DType.E5M2, rows, columns, 1024);
        ops.matmulGeluBackward(da.rows(), b.rows(), op, x, gradient, dBias);
        assertHolds("dx", gradient, dx, 0.08);
        if (biased) {
            f.assertClose("dBias", dBias, dBiasExpected, 4e-3);
        }
    }

    @ParameterizedTest(name = "({0}, {2}), vocabulary {1}")
    @CsvSource({"16, 13, 64", "48, 65, 128", "272, 1000, 1024", "144, 50257, 50304"})
    void gradientOfLogitsIsQuantized(int rows, int vocabulary, int padded) {
        Tensor logits = f.gaussian(DType.BF16, 3, rows, padded);
        double[] before = f.read(logits);
        int[] targets = f.random().ints(rows, 0, vocabulary).toArray();
        targets[3] = -1;
        Tensor target = arena.allocate("targets", DType.I32, rows);
        f.device().upload(targets, target);
        CrossEntropy op = new CrossEntropy(logits, target, vocabulary, f.poisoned(DType.F32, rows));
        double[] gradient = new double[rows * padded];
        double[] losses = new double[rows];
        for (int row = 0; row < rows; row++) {
            if (targets[row] >= 0) {
                losses[row] = softmax(before, row * padded, vocabulary, targets[row], gradient);
            }
        }
        Fp8Matrix dLogits = matrix(DType.E5M2, rows, padded, 1 << 17);
        ops.crossEntropyWithGradient(op, dLogits);
        assertHolds("gradient", dLogits, gradient, 0.08);
        f.assertClose("losses", op.losses(), losses, 1e-5);
        assertThat(f.read(logits)).isEqualTo(before);
    }

    /** The loss of a row; its gradient, by the fixture's loss scale, goes to {@code gradient}. */
    private static double softmax(double[] logits, int from, int vocabulary, int target, double[] gradient) {
        double sum = 0;
        for (int i = 0; i < vocabulary; i++) {
            sum += Math.exp(logits[from + i]);
        }
        for (int i = 0; i < vocabulary; i++) {
            double one = i == target ? 1 : 0;
            gradient[from + i] = (Math.exp(logits[from + i]) / sum - one) * OpsFixture.STEP.lossScale();
        }
        return Math.log(sum) - logits[from + target];
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

    /** Values and transpose are near, and the scale's maximum is that of the values. */
    private void assertHolds(String what, Fp8Matrix actual, double[] expected, double tolerance) {
        int rows = actual.values().size(0);
        assertNear(what, read(actual.rows()), expected, tolerance);
        assertEqual(
                what + " transposed",
                read(actual.columns()),
                transposed(read(actual.rows()), rows, actual.values().size(1)));
        double most = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
        assertThat(f.read(actual.scale().maximum())[0]).isCloseTo(most, within(0.01 * most));
    }

    /** The norm of the error is within {@code tolerance} of the expected norm. */
    private static void assertNear(String what, double[] actual, double[] expected, double tolerance) {
        double error = 0;
        double norm = 0;
        for (int i = 0; i < actual.length; i++) {
            error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
            norm += expected[i] * expected[i];
        }
        assertThat(Math.sqrt(error / norm)).as(what).isLessThan(tolerance);
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
