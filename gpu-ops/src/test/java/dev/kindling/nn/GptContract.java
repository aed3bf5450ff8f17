package dev.kindling.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
import dev.kindling.device.Accumulation;
import dev.kindling.device.Gelu;
import dev.kindling.device.StepInputs;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.OptimizerShard;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.optim.GradientClip;
import dev.kindling.reference.ReferenceDropout;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What {@link Gpt} must do on every device; a subclass says which device, and how exact it is. */
abstract class GptContract extends GptFixture {
    /** Few under tools that slow a GPU down (-Dtest.repeats). */
    private static final int REPEATS = Integer.getInteger("test.repeats", 50);

    @ParameterizedTest
    @EnumSource(Gelu.Form.class)
    void lossAndGradientsAgreeWithDoublePrecision(Gelu.Form form) {
        boolean bias = form == Gelu.Form.TANH;
        Parameters parameters = parameters(config(bias, form, 0));
        Gpt gpt = gpt(parameters, BatchShape.dense(BATCH, LENGTH));
        int[] inputs = tokens(1, 29);
        int[] targets = tokens(2, 29);
        double loss = run(gpt, parameters, inputs, targets);
        ReferenceGpt reference = new ReferenceGpt(parameters);
        double[] weights = toDouble(FlatWeights.of(device, parameters));
        double expected = reference.loss(weights, inputs, targets, LENGTH);
        assertThat(loss).isCloseTo(expected, within(expected * tolerance()));

        float[] gradient = new float[(int) parameters.count()];
        device.download(parameters.gradients(), gradient);
        for (Parameters.Entry entry : parameters.entries()) {
            checkDerivative(entry, reference, weights, gradient, inputs, targets);
        }
    }

    /** The derivative along the gradient's own direction within one weight, by central differences in double. */
    private void checkDerivative(
            Parameters.Entry entry,
            ReferenceGpt reference,
            double[] weights,
            float[] gradient,
            int[] inputs,
            int[] targets) {
        int start = (int) entry.offset();
        int end = start + (int) entry.shape().count();
        double norm = 0;
        for (int i = start; i < end; i++) {
            norm += (double) gradient[i] * gradient[i];
        }
        norm = Math.sqrt(norm);
        assertThat(norm).as("gradient of %s", entry.name()).isGreaterThan(1e-7);
        double step = 1e-5;
        double[] moved = weights.clone();
        for (int i = start; i < end; i++) {
            moved[i] = weights[i] + step * gradient[i] / norm;
        }
        double above = reference.loss(moved, inputs, targets, LENGTH);
        for (int i = start; i < end; i++) {
            moved[i] = weights[i] - step * gradient[i] / norm;
        }
        double below = reference.loss(moved, inputs, targets, LENGTH);
        double derivative = (above - below) / (2 * step);
        assertThat(norm)
                .as("derivative along the gradient of %s", entry.name())
                .isCloseTo(derivative, within(derivative * 30 * tolerance() + 1e-7));
    }

    @Test
    void backendsAgreeUnderDropout() {
        Parameters parameters = parameters(config(true, Gelu.Form.ERF, 0.3f));
        int[] inputs = tokens(3, 29);
        int[] targets = tokens(4, 29);
        BatchShape shape = BatchShape.dense(BATCH, LENGTH);
        List<Kind> kinds = usable(shape, 0.3f);
        assertThat(kinds).contains(Kind.MATH).hasSizeGreaterThan(1);
        double mathLoss = run(gpt(parameters, shape, Kind.MATH), parameters, inputs, targets);
        float[] math = gradients(parameters);
        for (Kind kind : kinds) {
            double loss = run(gpt(parameters, shape, kind), parameters, inputs, targets);
            assertThat(loss).as("%s", kind).isCloseTo(mathLoss, within(mathLoss * tolerance()));
            assertThat(relativeError(gradients(parameters), math))
                    .as("%s", kind)
                    .isLessThan(10 * tolerance());
        }
    }

    @Test
    void fiftyStepsFromOneStateAreBitwiseEqual() {
        Parameters parameters = parameters(config(true, Gelu.Form.TANH, 0.1f));
        float[] start = FlatWeights.of(device, parameters);
        BatchShape shape = BatchShape.dense(BATCH, LENGTH);
        for (Kind kind : usable(shape, 0.1f)) {
            Gpt gpt = gpt(parameters, shape, kind);
            float[] first = null;
            for (int i = 0; i < REPEATS; i++) {
                FlatWeights.load(start, parameters);
                float[] again = step(gpt, parameters);
                first = first == null ? again : first;
                assertThat(Arrays.equals(again, first))
                        .as("%s, run %d", kind, i)
                        .isTrue();
            }
            assertThat(first).isNotEqualTo(start).doesNotContain(Float.NaN);
        }
    }

    /** The weights after one whole step: forward, backward, clip, AdamW. */
    private float[] step(Gpt gpt, Parameters parameters) {
        try (Arena moments = new PoisonedArena(device, "moments")) {
            AdamW adamW = new AdamW(parameters, new AdamW.Coefficients(0.9f, 0.99f, 0.1f), DType.F32, device, moments);
            run(gpt, parameters, tokens(5, 29), tokens(6, 29));
            new GradientClip(device.ops(), 1).apply(parameters.gradients());
            adamW.step(range -> {});
            return FlatWeights.of(device, parameters);
        }
    }

    /** Bit for bit: each micro-batch's F32 gradient, added to the sum and rounded with the bits of its weight and number. */
    @Test
    void gradientsInBf16AreTheRoundedSumsOfMicroBatches() {
        GptConfig config = config(true, Gelu.Form.ERF, 0.1f);
        Parameters exact = parameters(config);
        float[] weights = FlatWeights.of(device, exact);
        Parameters summing = new Parameters(config, device, arena, DType.BF16, OptimizerShard.WHOLE);
        FlatWeights.load(weights, summing);
        BatchShape shape = BatchShape.dense(BATCH, LENGTH);
        Gpt gpt = gpt(exact, shape, Kind.MATH);
        Gpt rounding = gpt(summing, shape, Kind.MATH);
        device.ops().fill(summing.gradients(), Float.NaN);
        float[] sums = new float[weights.length];
        for (int microBatch = 0; microBatch < 3; microBatch++) {
            int[] inputs = tokens(2L * microBatch, 29);
            int[] targets = tokens(2L * microBatch + 1, 29);
            StepInputs step = new StepInputs(5, 3 + microBatch, 1e-3f, 0.1f, 0.1f, 1f / inputs.length);
            for (Gpt each : List.of(gpt, rounding)) {
                device.setStep(step);
                each.load(inputs, targets);
                each.forward();
                each.backward(each == rounding && microBatch > 0, bucket -> {});
            }
            add(gradients(exact), sums, step);
            assertThat(gradients(summing)).isEqualTo(sums);
        }
    }

    private static void add(float[] gradients, float[] sums, StepInputs step) {
        for (int i = 0; i < sums.length; i++) {
            long[] words = ReferenceDropout.philox(
                    new long[] {i / 4, 0, Accumulation.SITE & 0xFFFFFFFFL, step.stream()}, new long[] {step.seed(), 0});
            int random = (int) words[i % 4] & 0xFFFF;
            sums[i] = Float.intBitsToFloat((Float.floatToIntBits(sums[i] + gradients[i]) + random) & 0xFFFF0000);
        }
    }

    @Test
    void decodingTokenByTokenGivesTheLogitsOfTheWhole() {
        Parameters parameters = parameters(config(true, Gelu.Form.ERF, 0));
        GptDecoder decoder = new GptDecoder(
                parameters,
                BATCH,
                new Sdpa(device, arena, EnumSet.allOf(Kind.class)),
                new Gpt.DeviceArena(device, arena));
        int[] inputs = tokens(9, 29);
        double[] weights = toDouble(FlatWeights.of(device, parameters));
        ReferenceGpt reference = new ReferenceGpt(parameters);
        float[] logits = new float[BATCH * 29];
        for (int t = 0; t < LENGTH; t++) {
            int[] column = new int[BATCH];
            for (int b = 0; b < BATCH; b++) {
                column[b] = inputs[b * LENGTH + t];
            }
            decoder.next(column, logits);
        }
        for (int b = 0; b < BATCH; b++) {
            double[] expected = reference.logits(weights, inputs, b * LENGTH, LENGTH)[LENGTH - 1];
            for (int v = 0; v < 29; v++) {
                assertThat((double) logits[b * 29 + v])
                        .isCloseTo(expected[v], within(Math.max(1, Math.abs(expected[v])) * 20 * tolerance()));
            }
        }
    }
}
