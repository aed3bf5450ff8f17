package dev.kindling.device;

import dev.kindling.reference.ReferenceGelu;
import dev.kindling.tensor.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A product with the GELU beside it: small or odd ones, which devices compose, and such as GPUs take in one pass. */
public interface MatmulGeluContract extends OpsUnderTest {
    @ParameterizedTest(name = "({0}, {1}, {2}), b transposed {3}, {4} bias {5}")
    @CsvSource({
        "1, 24, 40, false, ERF, true",
        "65, 130, 33, true, TANH, false",
        "200, 64, 64, false, TANH, true",
        "16897, 64, 128, false, TANH, false",
        "16900, 64, 320, true, ERF, true",
        "16999, 128, 192, false, ERF, true",
        "8449, 320, 64, true, TANH, true"
    })
    default void matmulGeluIsAProductThenGelu(
            int rows, int width, int inputs, boolean transposed, Gelu.Form form, boolean biased) {
        OpsFixture f = fixture();
        Tensor a = f.activation(rows, inputs);
        double spread = 1 / Math.sqrt(inputs);
        Tensor b = transposed
                ? f.gaussian(f.device().activationType(), spread, width, inputs).transpose(0, 1)
                : f.gaussian(f.device().activationType(), spread, inputs, width);
        Gelu op = new Gelu(form, biased ? f.activation(width) : null);
        Tensor x = f.poisoned(rows, width);
        Tensor y = f.poisoned(rows, width);
        f.ops().matmulGelu(Matmul.of(a, b, x), op, y);
        double[][] product = product(f, a, b);
        f.assertClose("x", x, OpsFixture.flat(product), f.productTolerance());
        double[] bias = biased ? f.read(op.bias()) : new double[width];
        double[][] in = f.rows(x);
        double[][] out = new double[rows][width];
        for (int n = 0; n < rows; n++) {
            for (int c = 0; c < width; c++) {
                out[n][c] = ReferenceGelu.value(form, in[n][c] + bias[c]);
            }
        }
        f.assertClose("y", y, OpsFixture.flat(out));

        Tensor before = f.gaussian(f.device().activationType(), 3, rows, width);
        Tensor dx = f.poisoned(rows, width);
        Tensor dBias = biased ? f.floats(width) : null;
        double[] biasGradient = biased ? f.read(dBias) : new double[width];
        in = f.rows(before);
        for (int n = 0; n < rows; n++) {
            for (int c = 0; c < width; c++) {
                out[n][c] = product[n][c] * ReferenceGelu.derivative(form, in[n][c] + bias[c]);
                biasGradient[c] += out[n][c];
            }
        }
        f.ops().matmulGeluBackward(Matmul.of(a, b, dx), op, before, dBias);
        f.assertClose("dx", dx, OpsFixture.flat(out), f.productTolerance());
        if (biased) {
            f.assertClose("dBias", dBias, biasGradient, f.productTolerance());
        }
    }

    private static double[][] product(OpsFixture f, Tensor a, Tensor b) {
        double[][] left = f.rows(a);
        double[][] right = f.rows(b);
        double[][] c = new double[left.length][b.size(1)];
        for (int i = 0; i < c.length; i++) {
            for (int k = 0; k < right.length; k++) {
                for (int j = 0; j < c[i].length; j++) {
                    c[i][j] += left[i][k] * right[k][j];
                }
            }
        }
        return c;
    }
}
