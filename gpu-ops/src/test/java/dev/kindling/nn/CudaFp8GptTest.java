package dev.kindling.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.Gpu;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Training in FP8 beside training in bf16. Skipped without a Hopper GPU. */
class CudaFp8GptTest extends GptFixture {
    private static final BatchShape SHAPE = BatchShape.dense(6, 16);
    private static final int STEPS = Integer.getInteger("test.repeats", 50);

    @Override
    Device open() {
        Gpu.require();
        Assumptions.assumeTrue(
                CudaDevice.devices().get(0).compute() == 90, "SKIPPED: FP8 needs a GPU of compute capability 9.0");
        return CudaDevice.open(0, Precision.FP8);
    }

    @Override
    double tolerance() {
        return 0.01;
    }

    private static int[] ids(long seed) {
        return new Random(seed).ints(SHAPE.rows(), 0, 29).toArray();
    }

    private Gpt gpt(Parameters parameters, Recompute recompute) {
        return new Gpt(
                parameters,
                SHAPE,
                new Activations(recompute, 0),
                new Sdpa(device, arena, EnumSet.allOf(Kind.class)),
                new Gpt.DeviceArena(device, arena));
    }

    /** Loss and gradients of a step whose scales have a history. */
    private float[] secondStep(boolean bias, Recompute recompute) {
        Parameters parameters = new Parameters(config(bias, Gelu.Form.ERF, 0), device, arena, true);
        parameters.initialise(7);
        float[] flat = FlatWeights.of(device, parameters);
        Random random = new Random(11);
        for (int i = 0; i < flat.length; i++) {
            flat[i] += 0.02f * (float) random.nextGaussian(); // biases, too
        }
        FlatWeights.load(flat, parameters);
        Gpt gpt = gpt(parameters, recompute);
        run(gpt, parameters, ids(1), ids(2));
        double loss = run(gpt, parameters, ids(1), ids(2));
        float[] gradients = gradients(parameters);
        float[] all = Arrays.copyOf(gradients, gradients.length + 1);
        all[gradients.length] = (float) loss;
        return all;
    }

    @ParameterizedTest(name = "bias {0}")
    @EnumSource(Gelu.Form.class)
    void lossAndGradientsAreThoseOfBf16WithinTheRounding(Gelu.Form form) {
        boolean bias = form == Gelu.Form.TANH;
        float[] eight = secondStep(bias, Recompute.NONE);
        use(CudaDevice.open(0, Precision.BF16));
        float[] sixteen = secondStep(bias, Recompute.NONE);
        int last = sixteen.length - 1;
        assertThat((double) eight[last]).isCloseTo(sixteen[last], within(tolerance() * sixteen[last]));
        eight[last] = sixteen[last] = 0;
        assertThat(relativeError(eight, sixteen)).isBetween(1e-3, 0.25);
    }

    @ParameterizedTest
    @EnumSource(value = Recompute.class, names = "NONE", mode = EnumSource.Mode.EXCLUDE)
    void whatIsComputedAgainGivesTheSameBits(Recompute recompute) {
        assertThat(secondStep(true, recompute)).isEqualTo(secondStep(true, Recompute.NONE));
    }

    @Test
    void twoRunsAreBitwiseEqual() {
        Run first = new Run();
        first.steps(0, STEPS);
        Run second = new Run();
        second.steps(0, STEPS);
        assertThat(first.weights).isEqualTo(second.weights).doesNotContain(Float.NaN);
    }

    /** What a checkpoint keeps is enough: weights, moments and the history of maxima. */
    @Test
    void aRunThatGoesOnElsewhereIsTheSameToTheBit() {
        Run whole = new Run();
        whole.steps(0, 6);
        Run first = new Run();
        first.steps(0, 3);
        List<float[]> kept = first.state().stream().map(this::read).toList();
        use(CudaDevice.open(0, Precision.FP8));
        Run second = new Run();
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
        final Gpt gpt = gpt(parameters, Recompute.NONE);
        final AdamW adamW = new AdamW(parameters, new AdamW.Coefficients(0.9f, 0.99f, 0.1f), DType.F32, device, arena);
        float[] weights;

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
    void evaluationIsInBf16() {
        Parameters parameters = parameters(config(true, Gelu.Form.ERF, 0));
        Gpt gpt = gpt(parameters, Recompute.NONE);
        run(gpt, parameters, ids(1), ids(2));
        double evaluated = evaluated(gpt.evaluation());
        use(CudaDevice.open(0, Precision.BF16));
        assertThat(evaluated).isEqualTo(evaluated(gpt(parameters(config(true, Gelu.Form.ERF, 0)), Recompute.NONE)));
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
