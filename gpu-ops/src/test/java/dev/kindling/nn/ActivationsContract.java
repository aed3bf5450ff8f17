package dev.kindling.nn;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.StepInputs;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.OptimizerShard;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What every way to hold a {@link Gpt}'s activations must give: the same training. A subclass says on which device. */
abstract class ActivationsContract extends GptFixture {
    private static final int STEPS = 20;
    private static final int MICRO_BATCHES = 2;
    private static final BatchShape SHAPE = BatchShape.dense(20, LENGTH);
    /** A whole slice of logits, and one of 64 rows. */
    private static final BatchShape LONG = BatchShape.dense(129, 64);

    private static final GptConfig CONFIG = new GptConfig(29, 16, 3, 2, 64, 0.1f, true, Gelu.Form.ERF);
    private static final GptConfig ONE_LAYER = new GptConfig(29, 64, 1, 1, 8, 0.1f, true, Gelu.Form.ERF);

    /** What is trained, however its activations are held. */
    record Task(GptConfig config, BatchShape shape, Kind kind, DType gradients, boolean fp8Head) {}

    private static Task small(Kind kind) {
        return new Task(CONFIG, SHAPE, kind, DType.F32, false);
    }

    @SuppressWarnings("ArrayRecordComponent") // compared by content
    record Trained(float[] losses, float[] weights, long bytes) {
        void assertSameAs(Trained other, Object what) {
            assertThat(losses).as("losses, %s", what).isEqualTo(other.losses);
            assertThat(Arrays.mismatch(weights, other.weights))
                    .as("first weight that differs, %s", what)
                    .isEqualTo(-1);
        }
    }

    @Test
    void whatIsComputedAgainHasTheSameBits() {
        List<Kind> kinds = usable(SHAPE, 0.1f);
        assertThat(kinds).contains(Kind.MATH).hasSizeGreaterThan(1);
        for (Kind kind : kinds) {
            Trained kept = train(small(kind), Activations.WHOLE, false);
            assertThat(kept.losses()[STEPS - 1]).isLessThan(kept.losses()[0]);
            long bytes = kept.bytes();
            for (Recompute recompute : List.of(Recompute.GELU, Recompute.LAYER)) {
                Trained again = train(small(kind), new Activations(recompute, 0), false);
                again.assertSameAs(kept, List.of(kind, recompute));
                if (device.kind() == Device.Kind.CPU) { // elsewhere small tensors share blocks
                    assertThat(again.bytes()).as("%s, %s", kind, recompute).isLessThan(bytes);
                }
                bytes = again.bytes();
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16"})
    void logitsInChunksGiveTheSameTraining(DType gradients) {
        haveTheSameBits(
                new Task(ONE_LAYER, LONG, Kind.MATH, gradients, false),
                new Activations(Recompute.LAYER, Activations.HEAD_SLICE));
    }

    /** Trains with everything kept, then in these ways with an evaluation after each step. */
    final void haveTheSameBits(Task task, Activations... ways) {
        Trained whole = train(task, Activations.WHOLE, false);
        assertThat(whole.losses()[STEPS - 1]).isLessThan(whole.losses()[0]);
        for (Activations way : ways) {
            train(task, way, true).assertSameAs(whole, way);
        }
    }

    /** A batch in one pass, whose logits are two slices, and in three passes of one slice each. */
    @Test
    void slicesAddUpAsMicroBatchesDo() {
        int[] tokens = sequence(1, LONG.rows());
        float[] atOnce = gradients(tokens, LONG);
        float[] inThree = gradients(tokens, BatchShape.dense(LONG.batch() / 3, LONG.length()));
        assertThat(relativeError(atOnce, inThree)).isLessThan(tolerance());
    }

    /** The gradients of a batch that micro-batches of a shape divide. */
    private float[] gradients(int[] tokens, BatchShape shape) {
        Parameters parameters = parameters(ONE_LAYER.withoutDropout());
        Gpt gpt = gpt(parameters, shape, Kind.MATH);
        device.setStep(new StepInputs(5, 0, 1e-2f, 1, 1, 1f / LONG.rows()));
        for (int from = 0; from < LONG.rows(); from += shape.rows()) {
            forward(gpt, Arrays.copyOfRange(tokens, from, from + shape.rows() + 1));
            gpt.backward(from > 0, bucket -> {});
        }
        float[] all = new float[Math.toIntExact(parameters.gradients().count())];
        device.download(parameters.gradients(), all);
        return all;
    }

    @Test
    void evaluationInTheSameMemoryChangesNothing() {
        Trained alone = train(small(Kind.MATH), Activations.WHOLE, false);
        Trained evaluated = train(small(Kind.MATH), Activations.WHOLE, true);
        evaluated.assertSameAs(alone, "evaluated");
        if (device.kind() == Device.Kind.CPU) { // elsewhere the first run takes the scratch memory, too
            assertThat(evaluated.bytes()).isEqualTo(alone.bytes());
        }
    }

    private Trained train(Task task, Activations activations, boolean evaluating) {
        long before = device.allocatedBytes();
        try (Arena own = new PoisonedArena(device, "run")) {
            Parameters parameters = new Parameters(task.config(), device, own, task.gradients(), OptimizerShard.WHOLE);
            parameters.initialise(7);
            AdamW adamW = new AdamW(parameters, new AdamW.Coefficients(0.9f, 0.99f, 0.1f), DType.F32, device, own);
            Gpt gpt = new Gpt(
                    parameters,
                    task.shape(),
                    new Gpt.Training(activations, task.fp8Head()),
                    new Sdpa(device, own, EnumSet.of(task.kind())),
                    new Gpt.DeviceArena(device, own));
            Gpt evaluation = gpt.evaluation();
            float[] losses = new float[STEPS];
            for (int step = 0; step < STEPS; step++) {
                losses[step] = step(step, gpt, adamW);
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

    /** The sum of the losses of a step's micro-batches, whose gradients are made. */
    private float step(int step, Gpt gpt, AdamW adamW) {
        float lossScale = 1f / (MICRO_BATCHES * gpt.shape().rows());
        device.setStep(new StepInputs(
                5,
                (long) step * MICRO_BATCHES,
                step,
                1e-2f,
                adamW.beta1Correction(step),
                adamW.beta2Correction(step),
                lossScale));
        gpt.beginStep();
        float sum = 0;
        for (int i = 0; i < MICRO_BATCHES; i++) {
            boolean accumulate = i > 0;
            sum += pass(gpt, step * MICRO_BATCHES + i, () -> gpt.backward(accumulate, bucket -> {}));
            device.ops().nextMicroBatch();
        }
        gpt.endStep();
        return sum;
    }

    /** The sum of the losses of a forward pass over a batch, and what follows. */
    private float pass(Gpt gpt, long seed, Runnable then) {
        device.ops().fill(gpt.lossSum(), 0);
        forward(gpt, sequence(seed, gpt.shape().rows()));
        then.run();
        float[] sum = new float[1];
        device.download(gpt.lossSum(), sum);
        return sum[0];
    }

    private static void forward(Gpt gpt, int[] tokens) {
        int rows = gpt.shape().rows();
        gpt.load(Arrays.copyOf(tokens, rows), Arrays.copyOfRange(tokens, 1, rows + 1));
        gpt.forward();
    }

    /** As many, and the one that follows. */
    private static int[] sequence(long seed, int rows) {
        Random random = new Random(seed);
        int first = random.nextInt(29);
        int[] tokens = new int[rows + 1];
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = (first + 5 * i + (random.nextInt(4) == 0 ? 1 : 0)) % 29;
        }
        return tokens;
    }
}
