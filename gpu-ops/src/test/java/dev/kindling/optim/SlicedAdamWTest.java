package dev.kindling.optim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.StepInputs;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.nn.GptConfig;
import dev.kindling.nn.Parameters;
import dev.kindling.nn.Parameters.Range;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.DoubleStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Clip and AdamW slice by slice, as ranks do it, against one pass over all weights. */
class SlicedAdamWTest {
    private static final GptConfig MODEL = new GptConfig(67, 13, 2, 3, 39, 0f, true, Gelu.Form.ERF);
    private static final AdamW.Coefficients COEFFICIENTS = new AdamW.Coefficients(0.9f, 0.95f, 0.1f);

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 13})
    void slicesHaveTheBitsOfOnePassAndTheirShareOfTheMoments(int ranks) {
        try (Device device = new CpuDevice(2, Precision.FP32);
                Arena arena = device.arena("test")) {
            Parameters whole = parameters(device, arena);
            Parameters sliced = parameters(device, arena);
            long before = device.allocatedBytes();
            AdamW one = new AdamW(whole, COEFFICIENTS, device, arena);
            long moments = device.allocatedBytes() - before;
            assertThat(moments).isEqualTo(8 * whole.count());
            List<AdamW> parts = new ArrayList<>();
            for (Range slice : sliced.slices(ranks)) {
                before = device.allocatedBytes();
                parts.add(new AdamW(sliced, slice, COEFFICIENTS, device, arena));
                assertThat(device.allocatedBytes() - before)
                        .isEqualTo(8 * slice.length())
                        .isLessThanOrEqualTo(moments / ranks + 8L * ranks * 4096);
            }
            for (int step = 0; step < 3; step++) {
                device.setStep(new StepInputs(1, step, 1e-2f, one.beta1Correction(step), one.beta2Correction(step), 1));
                device.ops().gradientNorm(whole.gradients(), 1f);
                float norm = device.gradientNorm();
                one.step();
                double[] squares = parts.stream()
                        .map(part -> device.ops().squares(part(sliced.gradients(), part)))
                        .flatMapToDouble(DoubleStream::of)
                        .toArray();
                device.ops().gradientNorm(squares, 1f);
                parts.forEach(AdamW::step);
                assertThat(device.gradientNorm()).isEqualTo(norm);
                assertThat(sliced.download()).isEqualTo(whole.download());
            }
        }
    }

    private static Tensor part(Tensor flat, AdamW of) {
        return flat.slice(0, of.slice().offset(), of.slice().length());
    }

    private static Parameters parameters(Device device, Arena arena) {
        Parameters parameters = new Parameters(MODEL, device, arena, true);
        parameters.initialise(1);
        float[] gradients = new float[(int) parameters.count()];
        Random random = new Random(2);
        for (int i = 0; i < gradients.length; i++) {
            gradients[i] = (float) random.nextGaussian();
        }
        device.upload(gradients, parameters.gradients());
        return parameters;
    }
}
