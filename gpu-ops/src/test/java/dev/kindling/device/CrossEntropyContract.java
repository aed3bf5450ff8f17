package dev.kindling.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Losses and dlogits. */
public interface CrossEntropyContract extends OpsUnderTest {

    @ParameterizedTest(name = "({0}, {1} of {2}) logits of {3}")
    @CsvSource({"1, 13, 13, 1", "65, 65, 65, 3", "129, 65, 128, 1", "13, 1000, 1024, 40", "300, 2, 8, 120"})
    default void lossesMatchTheFormula(int rows, int vocabulary, int padded, double spread) {
        OpsFixture f = fixture();
        Tensor logits = f.gaussian(f.device().activationType(), spread, rows, padded);
        int[] targets = f.random().ints(rows, 0, vocabulary).toArray();
        for (int n = 5; n < rows; n += 7) {
            targets[n] = -1;
        }
        Tensor losses = f.poisoned(DType.F32, rows);
        CrossEntropy op = new CrossEntropy(logits, f.integers(targets), vocabulary, losses);
        double[][] in = f.rows(logits);
        double[] expected = new double[rows];
        double[][] gradient = new double[rows][padded];
        for (int n = 0; n < rows; n++) {
            if (targets[n] >= 0) {
                double lse = logSumExp(in[n], vocabulary);
                expected[n] = lse - in[n][targets[n]];
                for (int c = 0; c < vocabulary; c++) {
                    gradient[n][c] =
                            OpsFixture.STEP.lossScale() * (Math.exp(in[n][c] - lse) - (c == targets[n] ? 1 : 0));
                }
            }
        }
        f.ops().crossEntropy(op);
        f.assertClose("losses", losses, expected, 3e-6);
        f.assertClose("logits, kept", logits, OpsFixture.flat(in), 0);
        f.ops().fill(losses, Float.NaN);
        f.ops().crossEntropyWithGradient(op);
        f.assertClose("losses with gradient", losses, expected, 3e-6);
        f.assertClose("dlogits", logits, OpsFixture.flat(gradient));
    }

    @ParameterizedTest
    @CsvSource({"120, -120", "-120, 120", "120, 120"})
    default void survivesLogitsOf120(float chosen, float others) {
        OpsFixture f = fixture();
        double[] row = new double[65];
        Arrays.fill(row, others);
        row[3] = chosen;
        Tensor logits = f.of(f.device().activationType(), row, 1, 65);
        Tensor losses = f.poisoned(DType.F32, 1);
        f.ops().crossEntropyWithGradient(new CrossEntropy(logits, f.integers(new int[] {3}), 65, losses));
        double expected = logSumExp(row, 65) - chosen;
        assertThat(f.read(losses)[0]).isBetween(expected - 1e-4, expected + 1e-4);
        assertThat(f.read(logits)[3])
                .isBetween(0.25 * (Math.exp(-expected) - 1) - 2e-3, 0.25 * (Math.exp(-expected) - 1) + 2e-3);
    }

    private static double logSumExp(double[] row, int n) {
        double max = Double.NEGATIVE_INFINITY;
        for (int c = 0; c < n; c++) {
            max = Math.max(max, row[c]);
        }
        double sum = 0;
        for (int c = 0; c < n; c++) {
            sum += Math.exp(row[c] - max);
        }
        return max + Math.log(sum);
    }
}
