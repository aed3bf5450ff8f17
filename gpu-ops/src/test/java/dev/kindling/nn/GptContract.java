package dev.kindling.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.StepInputs;
import dev.kindling.optim.AdamW;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Arena;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What {@link Gpt} must do on every device; a subclass says which device, and how exact it is. */
abstract class GptContract {
    private static final int BATCH = 3;
    private static final int LENGTH = 13;
    /** Few under tools that slow a GPU down (-Dtest.repeats). */
    private static final int REPEATS = Integer.getInteger("test.repeats", 50);

    private Device device;
    private Arena arena;

    abstract Device open();

    /** Relative error allowed in losses and directional derivatives. */
    abstract double tolerance();

    @BeforeEach
    void openDevice() {
        device = open();
        arena = new PoisonedArena(device, "test");
    }

    /** Goes on with another device than the subclass's. */
    final void use(Device other) {
        closeDevice();
        device = other;
        arena = new PoisonedArena(device, "test");
    }

    @AfterEach
    void closeDevice() {
        if (device != null) {
            arena.close();
            device.close();
        }
    }

    private static GptConfig config(boolean bias, Gelu.Form form, float dropout) {
        return new GptConfig(29, 16, 2, 2, 64, dropout, bias, form);
    }

    private Gpt gpt(Parameters parameters, BatchShape shape, Kind... kinds) {
        EnumSet<Kind> allowed = kinds.length == 0 ? EnumSet.allOf(Kind.class) : EnumSet.copyOf(List.of(kinds));
        return new Gpt(
                parameters,
                shape,
                Gpt.Mode.TRAINING,
                new Sdpa(device, arena, allowed),
                new Gpt.DeviceMemory(device, arena));
    }

    /** Weights larger than at initialisation, so that every term shows in the loss. */
    private Parameters parameters(GptConfig config) {
        Parameters parameters = new Parameters(config, device, arena, true);
        parameters.initialise(7);
        float[] flat = parameters.download();
        Random random = new Random(11);
        for (int i = 0; i < flat.length; i++) {
            flat[i] = flat[i] * 4 + 0.02f * (float) random.nextGaussian();
        }
        parameters.load(flat);
        return parameters;
    }

    private static int[] tokens(long seed, int vocabulary) {
        return new Random(seed).ints(BATCH * LENGTH, 0, vocabulary).toArray();
    }

    private double run(Gpt gpt, Parameters parameters, int[] inputs, int[] targets) {
        device.ops().fill(parameters.gradients(), 0);
        device.ops().fill(gpt.lossSum(), 0);
        device.setStep(new StepInputs(5, 3, 1e-3f, 0.1f, 0.1f, 1f / inputs.length));
        gpt.load(inputs, targets);
        gpt.forward();
        gpt.backward(bucket -> {});
        float[] sum = new float[1];
        device.download(gpt.lossSum(), sum);
        return sum[0] / inputs.length;
    }

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
        double[] weights = toDouble(parameters.download());
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

    private static double[] toDouble(float[] values) {
        double[] doubles = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            doubles[i] = values[i];
        }
        return doubles;
    }

    /** The backends that can run the test model's attention on this device. */
    private List<Kind> usable(BatchShape shape, float dropout) {
        Sdpa sdpa = new Sdpa(device, arena, EnumSet.allOf(Kind.class));
        AttentionShape attention = new AttentionShape(
                shape.packed() ? shape.packedSequences() : shape.batch(),
                2,
                shape.length(),
                shape.length(),
                32,
                32,
                device.activationType(),
                true,
                AttentionShape.MaskKind.NONE,
                dropout,
                shape.packed());
        return Stream.of(Kind.values())
                .filter(kind -> sdpa.whyNot(kind, attention).isEmpty())
                .toList();
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

    private float[] gradients(Parameters parameters) {
        float[] gradients = new float[Math.toIntExact(parameters.count())];
        device.download(parameters.gradients(), gradients);
        return gradients;
    }

    private static double relativeError(float[] actual, float[] expected) {
        double difference = 0;
        double size = 0;
        for (int i = 0; i < expected.length; i++) {
            difference += Math.pow(actual[i] - expected[i], 2);
            size += Math.pow(expected[i], 2);
        }
        return Math.sqrt(difference / size);
    }

    @Test
    void fiftyStepsFromOneStateAreBitwiseEqual() {
        Parameters parameters = parameters(config(true, Gelu.Form.TANH, 0.1f));
        float[] start = parameters.download();
        BatchShape shape = BatchShape.dense(BATCH, LENGTH);
        for (Kind kind : usable(shape, 0.1f)) {
            Gpt gpt = gpt(parameters, shape, kind);
            float[] first = null;
            for (int i = 0; i < REPEATS; i++) {
                parameters.load(start);
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
            AdamW adamW = new AdamW(parameters, new AdamW.Coefficients(0.9f, 0.99f, 0.1f), device, moments);
            run(gpt, parameters, tokens(5, 29), tokens(6, 29));
            new GradientClip(device.ops(), 1).apply(parameters.gradients());
            adamW.step();
            return parameters.download();
        }
    }

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
            double[] weights = toDouble(parameters.download());
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
            packed.backward(bucket -> {});
            assertThat(relativeError(gradients(parameters), alone))
                    .as("%s", kind)
                    .isLessThan(10 * tolerance());
        }
    }

    @Test
    void decodingTokenByTokenGivesTheLogitsOfTheWhole() {
        Parameters parameters = parameters(config(true, Gelu.Form.ERF, 0));
        GptDecoder decoder = new GptDecoder(
                parameters,
                BATCH,
                new Sdpa(device, arena, EnumSet.allOf(Kind.class)),
                new Gpt.DeviceMemory(device, arena));
        int[] inputs = tokens(9, 29);
        double[] weights = toDouble(parameters.download());
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
