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
import dev.kindling.optim.AdamW;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.DType;
import java.util.Arrays;
import java.util.EnumSet;
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
        Parameters parameters = parameters(config(bias, Gelu.Form.ERF, 0));
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
        assertThat(relativeError(eight, sixteen)).isBetween(1e-3, 0.12);
    }

    @ParameterizedTest
    @EnumSource(value = Recompute.class, names = "NONE", mode = EnumSource.Mode.EXCLUDE)
    void whatIsComputedAgainGivesTheSameBits(Recompute recompute) {
        assertThat(secondStep(true, recompute)).isEqualTo(secondStep(true, Recompute.NONE));
    }

    @Test
    void twoRunsAreBitwiseEqual() {
        float[] first = trained();
        assertThat(first).isEqualTo(trained()).doesNotContain(Float.NaN);
    }

    /** The weights after some steps with dropout. */
    private float[] trained() {
        Parameters parameters = parameters(config(true, Gelu.Form.TANH, 0.1f));
        Gpt gpt = gpt(parameters, Recompute.NONE);
        AdamW adamW = new AdamW(parameters, new AdamW.Coefficients(0.9f, 0.99f, 0.1f), DType.F32, device, arena);
        for (int step = 0; step < STEPS; step++) {
            run(gpt, parameters, ids(step), ids(step + 1));
            new GradientClip(device.ops(), 1).apply(parameters.gradients());
            adamW.step(range -> {});
        }
        return FlatWeights.of(device, parameters);
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
