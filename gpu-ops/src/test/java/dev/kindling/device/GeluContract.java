package dev.kindling.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.reference.ReferenceGelu;
import dev.kindling.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Both forms of GELU, with and without bias. */
public interface GeluContract extends OpsUnderTest {

    @ParameterizedTest(name = "({0}, {1}) {2} bias {3}")
    @CsvSource({
        "1, 13, ERF, true",
        "13, 16, TANH, true",
        "65, 130, ERF, false",
        "129, 64, TANH, false",
        "200, 65, ERF, true",
        "70, 512, TANH, true"
    })
    default void geluMatchesTheFormula(int rows, int width, Gelu.Form form, boolean biased) {
        OpsFixture f = fixture();
        Tensor x = f.gaussian(f.device().activationType(), 3, rows, width);
        Gelu op = new Gelu(form, biased ? f.activation(width) : null);
        Tensor y = f.poisoned(rows, width);
        Tensor dy = f.activation(rows, width);
        Tensor dx = f.poisoned(rows, width);
        Tensor dBias = biased ? f.floats(width) : null;
        double[][] in = f.rows(x);
        double[][] out = new double[rows][width];
        double[][] gradient = f.rows(dy);
        double[] bias = biased ? f.read(op.bias()) : new double[width];
        double[] biasGradient = biased ? f.read(dBias) : new double[width];
        for (int n = 0; n < rows; n++) {
            for (int c = 0; c < width; c++) {
                out[n][c] = ReferenceGelu.value(form, in[n][c] + bias[c]);
                gradient[n][c] *= ReferenceGelu.derivative(form, in[n][c] + bias[c]);
                biasGradient[c] += gradient[n][c];
            }
        }
        f.ops().gelu(op, x, y);
        f.ops().geluBackward(op, x, dy, dx, dBias);
        f.assertClose("y", y, OpsFixture.flat(out));
        f.assertClose("dx", dx, OpsFixture.flat(gradient));
        if (biased) {
            f.assertClose("dBias", dBias, biasGradient, Math.max(3e-6, f.tolerance()));
        }
        f.ops().geluBackward(op, x, dy, dy, null);
        f.ops().gelu(op, x, x);
        assertThat(f.read(dy)).as("dx in place of dy").containsExactly(f.read(dx));
        assertThat(f.read(x)).as("y in place of x").containsExactly(f.read(y));
    }

    @Test
    default void extremesStayFinite() {
        OpsFixture f = fixture();
        double[] extremes = {-120, -30, -9, -5, -1e-4, 0, 1e-4, 5, 9, 30, 120, -1e4, 1e4};
        for (Gelu.Form form : Gelu.Form.values()) {
            Tensor x = f.of(f.device().activationType(), extremes, 1, extremes.length);
            Tensor y = f.poisoned(1, extremes.length);
            Tensor ones = f.poisoned(1, extremes.length);
            f.ops().fill(ones, 1);
            Gelu op = new Gelu(form, null);
            f.ops().gelu(op, x, y);
            f.ops().geluBackward(op, x, ones, ones, null);
            double[] values = f.read(y);
            double[] slopes = f.read(ones);
            for (int i = 0; i < extremes.length; i++) {
                double in = f.read(x)[i];
                double bound = Math.max(1e-6, f.tolerance()) * Math.max(1, Math.abs(in));
                assertThat(values[i] - ReferenceGelu.value(form, in)).isBetween(-bound, bound);
                assertThat(slopes[i] - ReferenceGelu.derivative(form, in))
                        .as("slope at %s", in)
                        .isBetween(-bound, bound);
            }
        }
    }
}
