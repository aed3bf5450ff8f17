package dev.kindling.nn.parameter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.nn.FlatWeights;
import dev.kindling.tensor.Arena;
import java.util.Random;
import org.junit.jupiter.api.Test;

class InitialWeightsTest {
    private static final long SEED = Long.parseLong("1337"); // no constant, whose product the compiler would refuse

    /** The token table is longer than a piece, which is not a multiple of a row. */
    private static final GptConfig CONFIG = new GptConfig(1111, 8, 3, 2, 310, 0, true, Gelu.Form.ERF);

    @Test
    void areThoseOfOneStreamAWeightWhateverTheThreads() {
        try (CpuDevice device = new CpuDevice(1, Precision.FP32);
                Arena arena = device.arena("test")) {
            Parameters parameters = new Parameters(CONFIG, device, arena, false);
            device.ops().fill(parameters.master(), Float.NaN);

            parameters.initialise(SEED);

            float[] actual = FlatWeights.of(device, parameters);
            for (Parameters.Entry entry : parameters.entries()) {
                Random random =
                        new Random(SEED * 0x9E3779B97F4A7C15L + entry.name().hashCode());
                double deviation = entry.name().endsWith("c_proj.weight") ? 0.02 / Math.sqrt(6) : 0.02;
                for (int i = 0; i < entry.shape().count(); i++) {
                    float expected = entry.decays()
                            ? (float) (deviation * random.nextGaussian())
                            : entry.name().endsWith(".weight") ? 1 : 0;
                    assertThat(actual[(int) entry.offset() + i]).isEqualTo(expected);
                }
            }
        }
    }
}
