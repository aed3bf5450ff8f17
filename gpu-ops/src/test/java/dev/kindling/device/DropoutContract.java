package dev.kindling.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.reference.ReferenceDropout;
import dev.kindling.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which values are kept: exactly the reference's, at the asked rate, other ones for each site, stream and seed. */
public interface DropoutContract extends OpsUnderTest {

    private double[] mask(Dropout dropout, StepInputs step, int rows, int width) {
        OpsFixture f = fixture();
        f.device().setStep(step);
        Tensor ones = f.poisoned(1, width);
        f.ops().fill(ones, 0.5f);
        int[] zeros = new int[rows];
        Tensor y = f.poisoned(rows, width);
        f.ops().embedding(new EmbeddingOp(f.integers(zeros), f.integers(zeros), ones, ones, dropout, 0), y);
        return f.read(y);
    }

    @ParameterizedTest
    @ValueSource(floats = {0.1f, 0.2f, 0.5f, 0.9f})
    default void keepsTheReferencesValues(float probability) {
        OpsFixture f = fixture();
        Dropout dropout = new Dropout(probability, 9);
        int rows = 129;
        int width = 207;
        double[] mask = mask(dropout, OpsFixture.STEP, rows, width);
        ReferenceDropout reference = new ReferenceDropout(dropout, OpsFixture.STEP.seed(), OpsFixture.STEP.stream());
        int kept = 0;
        double[] expected = new double[mask.length];
        for (int i = 0; i < mask.length; i++) {
            expected[i] = (float) reference.element(i);
            kept += reference.element(i) != 0 ? 1 : 0;
        }
        for (int i = 0; i < mask.length; i++) {
            if ((mask[i] == 0) != (expected[i] == 0) || Math.abs(mask[i] - expected[i]) > f.tolerance() * expected[i]) {
                assertThat(mask[i]).as("element %d", i).isEqualTo(expected[i]);
            }
        }
        double deviation = Math.sqrt(mask.length * probability * (1 - probability));
        assertThat((double) kept)
                .isBetween(
                        mask.length * (1 - probability) - 5 * deviation,
                        mask.length * (1 - probability) + 5 * deviation);
        f.device().setStep(OpsFixture.STEP);
    }

    @Test
    default void differsBySiteStreamAndSeed() {
        OpsFixture f = fixture();
        StepInputs step = OpsFixture.STEP;
        Dropout dropout = new Dropout(0.5f, 1);
        double[] mask = mask(dropout, step, 13, 64);
        StepInputs later = new StepInputs(step.seed(), step.stream() + 1, 0, 1, 1, 1);
        StepInputs other = new StepInputs(step.seed() + (1L << 40), step.stream(), 0, 1, 1, 1);
        assertThat(mask(dropout, step, 13, 64)).containsExactly(mask);
        assertThat(mask(new Dropout(0.5f, 2), step, 13, 64)).isNotEqualTo(mask);
        assertThat(mask(dropout, later, 13, 64)).isNotEqualTo(mask);
        assertThat(mask(dropout, other, 13, 64)).isNotEqualTo(mask);
        f.device().setStep(step);
        f.ops().nextMicroBatch();
        Tensor ones = f.poisoned(1, 64);
        f.ops().fill(ones, 0.5f);
        Tensor y = f.poisoned(f.device().activationType(), 13, 64);
        int[] zeros = new int[13];
        f.ops().embedding(new EmbeddingOp(f.integers(zeros), f.integers(zeros), ones, ones, dropout, 0), y);
        assertThat(f.read(y)).as("the stream after nextMicroBatch").containsExactly(mask(dropout, later, 13, 64));
    }
}
