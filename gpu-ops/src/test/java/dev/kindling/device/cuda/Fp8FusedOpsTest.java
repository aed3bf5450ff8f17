package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.device.CrossEntropy;
import dev.kindling.device.Dropout;
import dev.kindling.device.Fp8Matmul;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Fp8Ops;
import dev.kindling.device.Gelu;
import dev.kindling.device.OpsFixture;
import dev.kindling.device.ResidualLayerNorm;
import dev.kindling.reference.ReferenceGelu;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What writes FP8 operands beside its own work, against double precision: layernorm, GELU, products with GELU, the loss. */
class Fp8FusedOpsTest extends Fp8Fixture {
    /** The error of slopes: tanh's 2^-11, which far from 0 counts |x| times, and the rounding to bf16. */
    private static final double SLOPE = 8e-3;

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

    @ParameterizedTest(name = "({0}, {1}) {2} bias {3}")
    @CsvSource({"16, 64, ERF, true", "272, 80, TANH, true", "512, 384, ERF, false"})
    void geluIsQuantizedInOnePass(int rows, int columns, Gelu.Form form, boolean biased) {
        Tensor x = f.gaussian(DType.BF16, 3, rows, columns);
        Gelu op = new Gelu(form, biased ? f.gaussian(DType.BF16, 1, columns) : null);
        double[] y = ofEach(op, f.read(x), columns, ReferenceGelu::value);
        double[] slope = ofEach(op, f.read(x), columns, ReferenceGelu::derivative);
        Fp8Matrix to = matrix(DType.E4M3, rows, columns, 16);
        ops.gelu(op, x, to);
        assertHolds("y", to, y, 0.04);
        f.assertClose("slope", x, slope, SLOPE);
    }

    private interface OfGelu {
        double at(Gelu.Form form, double x);
    }

    private double[] ofEach(Gelu op, double[] x, int columns, OfGelu function) {
        double[] bias = op.bias() == null ? new double[columns] : f.read(op.bias());
        double[] y = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            y[i] = function.at(op.form(), x[i] + bias[i % columns]);
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
        ops.matmulGelu(a.rows(), b.rows(), op, Fp8Ops.Kept.X, x, y);
        f.assertClose("x", x, f.read(product), 4e-3);
        assertHolds("y", y, ofEach(op, f.read(x), columns, ReferenceGelu::value), 0.04);
        Tensor slope = f.poisoned(DType.BF16, rows, columns);
        Fp8Matrix again = matrix(DType.E4M3, rows, columns, 16);
        ops.matmulGelu(a.rows(), b.rows(), op, Fp8Ops.Kept.SLOPE, slope, again);
        assertEqual("y beside the slope", read(again.rows()), read(y.rows()));
        f.assertClose("slope", slope, ofEach(op, f.read(x), columns, ReferenceGelu::derivative), SLOPE);
        ops.gelu(op, x, again);
        assertEqual("the slope, and that of x", f.read(slope), f.read(x));

        ops.matmul(new Fp8Matmul(da.rows(), b.rows(), product, null, false, false));
        double[] dx = f.read(product);
        Tensor dBias = biased ? f.floats(columns) : null;
        double[] dBiasExpected = biased ? f.read(dBias) : new double[columns];
        double[] slopes = f.read(slope);
        for (int i = 0; i < dx.length; i++) {
            dx[i] *= slopes[i];
            dBiasExpected[i % columns] += dx[i];
        }
        Fp8Matrix gradient = matrix(DType.E5M2, rows, columns, 1024);
        ops.matmulGeluBackward(da.rows(), b.rows(), slope, gradient, dBias);
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
}
