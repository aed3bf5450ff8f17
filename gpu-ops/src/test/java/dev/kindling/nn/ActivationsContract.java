package dev.kindling.nn;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.StepInputs;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What every way to hold a {@link Gpt}'s activations must give: the same training. A subclass says on which device. */
abstract class ActivationsContract extends GptFixture {
    private static final int STEPS = 20;
    /** 520 rows: two whole chunks of logits, and one of 8 rows. */
    private static final BatchShape SHAPE = BatchShape.dense(40, LENGTH);

    private static final GptConfig CONFIG = new GptConfig(29, 16, 3, 2, 64, 0.1f, true, Gelu.Form.ERF);

    /** Whether a sum over chunks of rows has the bits of the sum over all. */
    abstract boolean chunksAreExact();

    @SuppressWarnings("ArrayRecordComponent") // compared by content
    private record Trained(float[] losses, float[] weights, long bytes) {}

    @Test
    void whatIsComputedAgainHasTheSameBits() {
        List<Kind> kinds = usable(SHAPE, 0.1f);
        assertThat(kinds).contains(Kind.MATH).hasSizeGreaterThan(1);
        for (Kind kind : kinds) {
            Trained kept = train(Activations.WHOLE, kind, false);
            assertThat(kept.losses()[STEPS - 1]).isLessThan(kept.losses()[0]);
            long bytes = kept.bytes();
            for (Recompute recompute : List.of(Recompute.GELU, Recompute.LAYER)) {
                Trained again = train(new Activations(recompute, 0), kind, false);
                assertThat(again.losses()).as("%s, %s", kind, recompute).isEqualTo(kept.losses());
                assertThat(again.weights()).as("%s, %s", kind, recompute).isEqualTo(kept.weights());
                if (device.kind() == Device.Kind.CPU) { // elsewhere small tensors share blocks
                    assertThat(again.bytes()).as("%s, %s", kind, recompute).isLessThan(bytes);
                }
                bytes = again.bytes();
            }
        }
    }

    @Test
    void logitsInChunksGiveTheSameTraining() {
        Trained whole = train(Activations.WHOLE, Kind.MATH, false);
        Trained chunks = train(new Activations(Recompute.LAYER, Activations.HEAD_MULTIPLE), Kind.MATH, true);
        assertThat(relativeError(chunks.weights(), whole.weights())).isLessThan(10 * tolerance());
        if (chunksAreExact()) {
            assertThat(chunks.losses()).isEqualTo(whole.losses());
            assertThat(chunks.weights()).isEqualTo(whole.weights());
        }
    }

    @Test
    void evaluationInTheSameMemoryChangesNothing() {
        Trained alone = train(Activations.WHOLE, Kind.MATH, false);
        Trained evaluated = train(Activations.WHOLE, Kind.MATH, true);
        assertThat(evaluated.weights()).isEqualTo(alone.weights());
        if (device.kind() == Device.Kind.CPU) { // elsewhere the first run takes the scratch memory, too
            assertThat(evaluated.bytes()).isEqualTo(alone.bytes());
        }
    }

    private Trained train(Activations activations, Kind kind, boolean evaluating) {
        long before = device.allocatedBytes();
        try (Arena own = new PoisonedArena(device, "run")) {
            Parameters parameters = new Parameters(CONFIG, device, own, true);
            parameters.initialise(7);
            AdamW adamW = new AdamW(parameters, new AdamW.Coefficients(0.9f, 0.99f, 0.1f), DType.F32, device, own);
            Sdpa sdpa = new Sdpa(device, own, EnumSet.of(kind));
            Gpt gpt = new Gpt(
                    parameters, SHAPE, new Gpt.Training(activations, false), sdpa, new Gpt.DeviceArena(device, own));
            Gpt evaluation = gpt.evaluation();
            float[] losses = new float[STEPS];
            for (int step = 0; step < STEPS; step++) {
                device.setStep(new StepInputs(
                        5, step, 1e-2f, adamW.beta1Correction(step), adamW.beta2Correction(step), 1f / SHAPE.rows()));
                device.ops().fill(parameters.gradients(), 0);
                losses[step] = pass(gpt, step, () -> gpt.backward(true, bucket -> {}));
                new GradientClip(device.ops(), 1).apply(parameters.gradients());
                adamW.step(range -> {});
                if (evaluating) {
                    float first = pass(evaluation, 100, evaluation::evaluate);
                    assertThat(pass(evaluation, 100, evaluation::evaluate)).isEqualTo(first);
                }
            }
            return new Trained(losses, FlatWeights.of(device, parameters), device.allocatedBytes() - before);
        }
    }

    /** The sum of the losses of a forward pass over a batch, and what follows. */
    private float pass(Gpt gpt, long seed, Runnable then) {
        Random random = new Random(seed);
        int first = random.nextInt(29);
        int[] tokens = new int[SHAPE.rows() + 1];
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = (first + 5 * i + (random.nextInt(4) == 0 ? 1 : 0)) % 29;
        }
        device.ops().fill(gpt.lossSum(), 0);
        gpt.load(Arrays.copyOf(tokens, SHAPE.rows()), Arrays.copyOfRange(tokens, 1, SHAPE.rows() + 1));
        gpt.forward();
        then.run();
        float[] sum = new float[1];
        device.download(gpt.lossSum(), sum);
        return sum[0];
    }
}
