package dev.kindling.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What training in FP8 must give, beside training in the activation type. A subclass says on which device. */
abstract class Fp8GptContract extends GptFixture {
    private static final BatchShape SHAPE = BatchShape.dense(6, 16);

    /** Steps of runs that must be equal. */
    abstract int steps();

    /** A device of FP8, or the same in the type of its activations alone. */
    abstract Device open(boolean fp8);

    @Override
    final Device open() {
        return open(true);
    }

    @Override
    double tolerance() {
        return 0.01;
    }

    private static int[] ids(long seed) {
        return ids(seed, SHAPE);
    }

    private static int[] ids(long seed, BatchShape shape) {
        return new Random(seed).ints(shape.rows(), 0, 29).toArray();
    }

    private static Gpt.Training training(Recompute recompute, boolean head) {
        return new Gpt.Training(new Activations(recompute, 0), head);
    }

    private Gpt gpt(Parameters parameters, Gpt.Training training) {
        return gpt(parameters, SHAPE, training);
    }

    private Gpt gpt(Parameters parameters, BatchShape shape, Gpt.Training training) {
        return new Gpt(
                parameters,
                shape,
                training,
                new Sdpa(device, arena, EnumSet.allOf(Kind.class)),
                new Gpt.DeviceArena(device, arena));
    }

    /** Loss and gradients of a step whose scales have a history. */
    private float[] secondStep(boolean bias, Gpt.Training training) {
        return secondStep(config(bias, Gelu.Form.ERF, 0), SHAPE, training);
    }

    private float[] secondStep(GptConfig config, BatchShape shape, Gpt.Training training) {
        Parameters parameters = new Parameters(config, device, arena, true);
        parameters.initialise(7);
        float[] flat = FlatWeights.of(device, parameters);
        Random random = new Random(11);
        for (int i = 0; i < flat.length; i++) {
            flat[i] += 0.02f * (float) random.nextGaussian(); // biases, too
        }
        FlatWeights.load(flat, parameters);
        Gpt gpt = gpt(parameters, shape, training);
        run(gpt, parameters, ids(1, shape), ids(2, shape));
        double loss = run(gpt, parameters, ids(1, shape), ids(2, shape));
        float[] gradients = gradients(parameters);
        float[] all = Arrays.copyOf(gradients, gradients.length + 1);
        all[gradients.length] = (float) loss;
        return all;
    }

    @ParameterizedTest(name = "{0}, head in FP8 {1}")
    @CsvSource({"ERF, false", "TANH, false", "ERF, true"})
    void lossAndGradientsAreThoseOfBf16WithinTheRounding(Gelu.Form form, boolean head) {
        boolean bias = form == Gelu.Form.TANH;
        float[] eight = secondStep(bias, training(Recompute.NONE, head));
        use(open(false));
        float[] sixteen = secondStep(bias, training(Recompute.NONE, false));
        int last = sixteen.length - 1;
        assertThat((double) eight[last]).isCloseTo(sixteen[last], within(tolerance() * sixteen[last]));
        eight[last] = sixteen[last] = 0;
        assertThat(relativeError(eight, sixteen)).isBetween(1e-3, 0.25);
    }

    @ParameterizedTest
    @EnumSource(value = Recompute.class, names = "NONE", mode = EnumSource.Mode.EXCLUDE)
    void whatIsComputedAgainGivesTheSameBits(Recompute recompute) {
        assertThat(secondStep(true, training(recompute, true)))
                .isEqualTo(secondStep(true, training(Recompute.NONE, true)));
    }

    @Test
    void logitsInChunksGiveTheSameBits() {
        GptConfig narrow = new GptConfig(29, 16, 1, 1, 16, 0, true, Gelu.Form.ERF);
        BatchShape shape = BatchShape.dense(1027, 16); // two whole slices, and one of 48 rows
        Activations slices = new Activations(Recompute.NONE, Activations.HEAD_SLICE);
        assertThat(secondStep(narrow, shape, new Gpt.Training(slices, true)))
                .isEqualTo(secondStep(narrow, shape, training(Recompute.NONE, true)));
    }

    @Test
    void aHeadInFp8NeedsADeviceOfThatPrecision() {
        use(open(false));
        Parameters parameters = parameters(config(true, Gelu.Form.ERF, 0));
        assertThatThrownBy(() -> gpt(parameters, training(Recompute.NONE, true)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("precision FP8");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void twoRunsAreBitwiseEqual(boolean head) {
        Run first = new Run(head);
        first.steps(0, steps());
        Run second = new Run(head);
        second.steps(0, steps());
        assertThat(first.weights).isEqualTo(second.weights).doesNotContain(Float.NaN);
    }

    /** What a checkpoint keeps is enough: weights, moments and the history of maxima. */
    @Test
    void aRunThatGoesOnElsewhereIsTheSameToTheBit() {
        Run whole = new Run(true);
        whole.steps(0, 6);
        Run first = new Run(true);
        first.steps(0, 3);
        List<float[]> kept = first.state().stream().map(this::read).toList();
        use(open(true));
        Run second = new Run(true);
        for (int i = 0; i < kept.size(); i++) {
            device.upload(kept.get(i), second.state().get(i));
        }
        device.ops().copy(second.parameters.master(), second.parameters.working());
        second.steps(3, 6);
        assertThat(second.weights).isEqualTo(whole.weights).doesNotContain(Float.NaN);
    }

    private float[] read(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.count())];
        device.download(tensor, values);
        return values;
    }

    /** A training with dropout. */
    private final class Run {
        final Parameters parameters = parameters(config(true, Gelu.Form.TANH, 0.1f));
        final Gpt gpt;
        final AdamW adamW = new AdamW(parameters, new AdamW.Coefficients(0.9f, 0.99f, 0.1f), DType.F32, device, arena);
        float[] weights;

        Run(boolean head) {
            gpt = gpt(parameters, training(Recompute.NONE, head));
        }

        List<Tensor> state() {
            return List.of(
                    parameters.master(),
                    adamW.firstMoments(),
                    adamW.secondMoments(),
                    gpt.fp8().orElseThrow().history());
        }

        void steps(int from, int to) {
            for (int step = from; step < to; step++) {
                run(gpt, parameters, ids(step), ids(step + 1));
                new GradientClip(device.ops(), 1).apply(parameters.gradients());
                adamW.step(range -> {});
            }
            weights = read(parameters.master());
        }
    }

    @Test
    void evaluationIsNotInFp8() {
        Parameters parameters = parameters(config(true, Gelu.Form.ERF, 0));
        Gpt gpt = gpt(parameters, training(Recompute.NONE, false));
        run(gpt, parameters, ids(1), ids(2));
        double evaluated = evaluated(gpt.evaluation());
        use(open(false));
        assertThat(evaluated)
                .isEqualTo(evaluated(gpt(parameters(config(true, Gelu.Form.ERF, 0)), training(Recompute.NONE, false))));
    }

    private double evaluated(Gpt gpt) {
        device.ops().fill(gpt.lossSum(), 0);
        gpt.load(ids(3), ids(4));
        gpt.forward();
        gpt.evaluate();
        float[] sum = new float[1];
        device.download(gpt.lossSum(), sum);
        return sum[0];
    }

    @Test
    void microBatchesThatProductsCannotTakeAreRefused() {
        Parameters parameters = parameters(config(true, Gelu.Form.ERF, 0));
        assertThatThrownBy(() -> gpt(parameters, BatchShape.dense(BATCH, LENGTH)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("train.micro_batch")
                .hasMessageContaining("39 tokens");
    }
}
