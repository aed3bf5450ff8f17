package dev.kindling.device;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Matrix products of strided and transposed tensors. */
public interface MatmulContract extends OpsUnderTest {

    @ParameterizedTest(name = "{0} x {1} x {2}, transposed {3} {4}")
    @CsvSource({
        "1, 1, 1, false, false",
        "1, 65, 40, false, true",
        "65, 1, 40, true, false",
        "13, 129, 64, false, false",
        "127, 63, 13, true, false",
        "64, 64, 32, false, true",
        "130, 96, 300, true, true",
        "264, 136, 72, false, false",
        "136, 264, 520, false, true",
        "72, 192, 64, true, false"
    })
    default void multipliesWithBiasAndAccumulates(int m, int n, int k, boolean transposeA, boolean transposeB) {
        OpsFixture f = fixture();
        Tensor a = transposeA ? f.activation(k, m).transpose(0, 1) : f.activation(m, k);
        Tensor b = transposeB ? f.activation(n, k).transpose(0, 1) : f.activation(k, n);
        Tensor bias = f.activation(n);
        Tensor c = f.poisoned(m, n);
        f.ops().matmul(new Matmul(a, b, c, bias, 0.5f, false));
        f.assertClose("c", c, product(a, b, 0.5, f.read(bias), null), f.productTolerance());
        Tensor unscaled = f.poisoned(m, n);
        f.ops().matmul(Matmul.of(a, b, unscaled).withBias(bias));
        f.assertClose("c unscaled", unscaled, product(a, b, 1, f.read(bias), null), f.productTolerance());
        Tensor sum = f.floats(m, n);
        double[] before = f.read(sum);
        f.ops().matmul(Matmul.of(a, b, sum, true));
        f.assertClose("c +=", sum, product(a, b, 1, null, before), f.productTolerance());
    }

    @ParameterizedTest(name = "B {0} H {1} M {2} N {3} K {4}")
    @CsvSource({"2, 3, 13, 20, 8", "1, 1, 64, 64, 32", "3, 2, 1, 65, 24"})
    default void multipliesBatchesOfViews(int b, int h, int m, int n, int k) {
        OpsFixture f = fixture();
        Tensor q = f.stridedBthd(b, h, m, k, 1);
        Tensor keys = f.stridedBthd(b, h, n, k, 1).transpose(2, 3);
        Tensor c = f.stridedBthd(b, h, m, n, 1);
        f.ops().matmul(new Matmul(q, keys, c, null, 0.25f, false));
        double[] expected = new double[b * h * m * n];
        for (int i = 0; i < b * h; i++) {
            Tensor left = q.select(0, i / h).select(0, i % h);
            Tensor right = keys.select(0, i / h).select(0, i % h);
            System.arraycopy(product(left, right, 0.25, null, null), 0, expected, i * m * n, m * n);
        }
        f.assertClose("c", c, expected, f.productTolerance());
    }

    private double[] product(Tensor a, Tensor b, double alpha, double[] bias, double[] before) {
        double[][] left = fixture().rows(a);
        double[][] right = fixture().rows(b);
        int n = b.size(1);
        double[] c = new double[left.length * n];
        for (int i = 0; i < left.length; i++) {
            for (int j = 0; j < n; j++) {
                double sum = 0;
                for (int p = 0; p < right.length; p++) {
                    sum += left[i][p] * right[p][j];
                }
                c[i * n + j] = alpha * sum + (bias == null ? 0 : bias[j]) + (before == null ? 0 : before[i * n + j]);
            }
        }
        return c;
    }

    @Test
    default void refusesShapesThatDoNotMultiply() {
        OpsFixture f = fixture();
        Tensor a = f.floats(3, 4);
        assertThatThrownBy(() -> Matmul.of(a, a, f.poisoned(DType.F32, 3, 4)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("(3, 4)");
    }
}
