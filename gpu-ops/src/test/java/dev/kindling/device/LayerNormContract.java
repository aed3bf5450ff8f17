package dev.kindling.device;

import dev.kindling.reference.ReferenceDropout;
import dev.kindling.reference.ReferenceLayerNorm;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Residual, dropout and layernorm in one, both directions. */
public interface LayerNormContract extends OpsUnderTest {

    @ParameterizedTest(name = "({0}, {1}) dropout {2}, biases {3}, accumulate {4}")
    @CsvSource({
        "1, 16, 0, true, true",
        "13, 40, 0.25, true, false",
        "64, 128, 0, false, true",
        "65, 65, 0.1, true, true",
        "129, 384, 0.2, false, true",
        "300, 48, 0, true, false",
        "2500, 40, 0.2, true, true",
        "70, 1280, 0.1, true, true",
        "700, 1600, 0, true, false",
        "9, 1032, 0, false, true"
    })
    default void normalizesAResidual(int rows, int width, float probability, boolean biases, boolean accumulate) {
        OpsFixture f = fixture();
        Dropout dropout = new Dropout(probability, 2);
        ResidualLayerNorm op = new ResidualLayerNorm(
                f.activation(rows, width),
                f.activation(rows, width),
                biases ? f.activation(width) : null,
                dropout,
                f.poisoned(rows, width),
                f.activation(width),
                biases ? f.activation(width) : null,
                f.poisoned(rows, width),
                f.poisoned(DType.F32, rows),
                f.poisoned(DType.F32, rows));
        ReferenceDropout mask = new ReferenceDropout(dropout, OpsFixture.STEP.seed(), OpsFixture.STEP.stream());
        f.ops().residualLayerNorm(op);
        checkForward(op, mask);
        ResidualLayerNorm.Gradients gradients = new ResidualLayerNorm.Gradients(
                f.activation(rows, width),
                accumulate ? f.activation(rows, width) : f.poisoned(rows, width),
                accumulate,
                dropout.active() ? f.poisoned(rows, width) : null,
                f.floats(width),
                biases ? f.floats(width) : null,
                biases ? f.floats(width) : null);
        checkBackward(op, gradients, mask);
    }

    private void checkForward(ResidualLayerNorm op, ReferenceDropout mask) {
        OpsFixture f = fixture();
        int width = op.y().size(-1);
        double[][] in = f.rows(op.residualIn());
        double[][] branch = f.rows(op.branch());
        double[] branchBias = op.branchBias() == null ? new double[width] : f.read(op.branchBias());
        for (int n = 0; n < in.length; n++) {
            for (int c = 0; c < width; c++) {
                in[n][c] += mask.element((long) n * width + c) * (branch[n][c] + branchBias[c]);
            }
        }
        f.assertClose("residualOut", op.residualOut(), OpsFixture.flat(in));
        // The layernorm is compared on the residual as it was rounded.
        double[][] residual = f.rows(op.residualOut());
        double[] weight = f.read(op.weight());
        double[] bias = op.bias() == null ? null : f.read(op.bias());
        double[][] y = new double[in.length][];
        double[] means = new double[in.length];
        double[] rstds = new double[in.length];
        for (int n = 0; n < in.length; n++) {
            y[n] = ReferenceLayerNorm.forward(residual[n], weight, bias);
            means[n] = ReferenceLayerNorm.statistics(residual[n])[0];
            rstds[n] = ReferenceLayerNorm.statistics(residual[n])[1];
        }
        f.assertClose("y", op.y(), OpsFixture.flat(y));
        f.assertClose("mean", op.mean(), means, Math.max(1e-5, f.tolerance()));
        f.assertClose("rstd", op.rstd(), rstds, Math.max(3e-6, f.tolerance()));
    }

    private void checkBackward(ResidualLayerNorm op, ResidualLayerNorm.Gradients g, ReferenceDropout mask) {
        OpsFixture f = fixture();
        int width = op.y().size(-1);
        double[][] residual = f.rows(op.residualOut());
        double[][] dy = f.rows(g.dy());
        double[][] dResidual = g.accumulate() ? f.rows(g.dResidual()) : new double[dy.length][width];
        double[][] dBranch = new double[dy.length][width];
        double[] dWeight = f.read(g.dWeight());
        double[] dBias = g.dBias() == null ? null : f.read(g.dBias());
        double[] dBranchBias = g.dBranchBias() == null ? null : f.read(g.dBranchBias());
        double[] weight = f.read(op.weight());
        for (int n = 0; n < dy.length; n++) {
            double[] dx = ReferenceLayerNorm.backward(residual[n], weight, dy[n], dWeight);
            for (int c = 0; c < width; c++) {
                dResidual[n][c] += dx[c];
                dBranch[n][c] = mask.element((long) n * width + c) * dResidual[n][c];
                if (dBias != null) {
                    dBias[c] += dy[n][c];
                    dBranchBias[c] += dBranch[n][c];
                }
            }
        }
        f.ops().residualLayerNormBackward(op, g);
        f.assertClose("dResidual", g.dResidual(), OpsFixture.flat(dResidual));
        f.assertClose("dWeight", g.dWeight(), dWeight, Math.max(3e-6, f.tolerance()));
        if (g.dBranch() != null) {
            f.assertClose("dBranch", g.dBranch(), OpsFixture.flat(dBranch));
        }
        if (dBias != null) {
            f.assertClose("dBias", g.dBias(), dBias, Math.max(3e-6, f.tolerance()));
            f.assertClose("dBranchBias", g.dBranchBias(), dBranchBias, Math.max(3e-6, f.tolerance()));
        }
    }

    @ParameterizedTest
    @CsvSource({"13, 40", "65, 128"})
    default void withoutABranchItNormalizesInPlaceOfTheResidual(int rows, int width) {
        OpsFixture f = fixture();
        Tensor x = f.activation(rows, width);
        ResidualLayerNorm op = new ResidualLayerNorm(
                x,
                null,
                null,
                Dropout.NONE,
                x,
                f.activation(width),
                null,
                f.poisoned(rows, width),
                f.poisoned(DType.F32, rows),
                f.poisoned(DType.F32, rows));
        double[][] in = f.rows(x);
        double[][] y = new double[rows][];
        for (int n = 0; n < rows; n++) {
            y[n] = ReferenceLayerNorm.forward(in[n], f.read(op.weight()), null);
        }
        f.ops().residualLayerNorm(op);
        f.assertClose("y", op.y(), OpsFixture.flat(y));
        f.assertClose("residual", x, OpsFixture.flat(in), 0);
    }
}
