package dev.kindling.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.device.Gelu;
import dev.kindling.device.StepInputs;
import dev.kindling.nn.parameter.Parameters;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** What {@link Gpt} must do with documents that are packed side by side, on every device. */
abstract class PackedGptContract extends GptFixture {
    @Test
    void packedDocumentsGiveTheLossesOfEachAlone() {
        Parameters parameters = parameters(config(false, Gelu.Form.ERF, 0));
        int rows = BATCH * LENGTH;
        int[] cumulative = {0, 5, 5, 18, 26, rows};
        int[] positions = new int[rows];
        for (int s = 0; s + 1 < cumulative.length; s++) {
            for (int i = cumulative[s]; i < cumulative[s + 1]; i++) {
                positions[i] = i - cumulative[s];
            }
        }
        int[] inputs = tokens(7, 29);
        int[] targets = tokens(8, 29);
        BatchShape shape = new BatchShape(BATCH, LENGTH, 8);
        for (Kind kind : usable(shape, 0)) {
            Gpt packed = gpt(parameters, shape, kind);
            device.setStep(new StepInputs(5, 3, 1e-3f, 0.1f, 0.1f, 1f / rows));
            device.ops().fill(packed.lossSum(), 0);
            packed.loadPacked(inputs, targets, positions, cumulative);
            packed.forward();
            packed.evaluate();
            float[] losses = new float[rows];
            device.download(packed.losses(), losses);
            ReferenceGpt reference = new ReferenceGpt(parameters);
            double[] weights = toDouble(FlatWeights.of(device, parameters));
            for (int s = 0; s + 1 < cumulative.length; s++) {
                int length = cumulative[s + 1] - cumulative[s];
                if (length == 0) {
                    continue;
                }
                double mean = 0;
                for (int i = cumulative[s]; i < cumulative[s + 1]; i++) {
                    mean += losses[i] / length;
                }
                double expected = reference.loss(
                        weights,
                        Arrays.copyOfRange(inputs, cumulative[s], cumulative[s + 1]),
                        Arrays.copyOfRange(targets, cumulative[s], cumulative[s + 1]),
                        length);
                assertThat(mean).as("%s, document %d", kind, s).isCloseTo(expected, within(expected * tolerance()));
            }
        }
    }

    @Test
    void packedDocumentsGiveTheGradientOfEachAlone() {
        Parameters parameters = parameters(config(false, Gelu.Form.ERF, 0));
        int rows = BATCH * LENGTH;
        int[] cumulative = {0, 5, 18, 19, 32, rows};
        int[] positions = new int[rows];
        int[] inputs = tokens(7, 29);
        int[] targets = tokens(8, 29);
        float[] alone = new float[Math.toIntExact(parameters.count())];
        for (int s = 0; s + 1 < cumulative.length; s++) {
            int from = cumulative[s];
            int to = cumulative[s + 1];
            for (int i = from; i < to; i++) {
                positions[i] = i - from;
            }
            targets[to - 1] = -1; // a document's last token
            Gpt document = gpt(parameters, BatchShape.dense(1, to - from), Kind.MATH);
            run(document, parameters, Arrays.copyOfRange(inputs, from, to), Arrays.copyOfRange(targets, from, to));
            float[] gradient = gradients(parameters);
            for (int i = 0; i < alone.length; i++) {
                alone[i] += gradient[i] * (to - from) / rows;
            }
        }
        BatchShape shape = new BatchShape(BATCH, LENGTH, 6);
        for (Kind kind : usable(shape, 0)) {
            Gpt packed = gpt(parameters, shape, kind);
            device.ops().fill(parameters.gradients(), 0);
            device.ops().fill(packed.lossSum(), 0);
            device.setStep(new StepInputs(5, 3, 1e-3f, 0.1f, 0.1f, 1f / rows));
            packed.loadPacked(inputs, targets, positions, cumulative);
            packed.forward();
            packed.backward(true, bucket -> {});
            assertThat(relativeError(gradients(parameters), alone))
                    .as("%s", kind)
                    .isLessThan(10 * tolerance());
        }
    }
}
