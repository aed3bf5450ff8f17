package dev.kindling.interop;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class Gpt2TensorsTest {
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void namesAndShapesAreThoseOfTheModel(boolean bias) {
        GptConfig config = new GptConfig(13, 5, 3, 2, 8, 0, bias, Gelu.Form.TANH);
        try (Device device = new CpuDevice(1, Precision.FP32)) {
            Map<String, List<Long>> expected = new TreeMap<>();
            new Parameters(config, device, device.arena("test"), false)
                    .entries()
                    .forEach(entry -> expected.put(
                            entry.name(),
                            Arrays.stream(entry.shape().toArray()).boxed().toList()));
            assertThat(new TreeMap<>(Gpt2Tensors.all(config))).isEqualTo(expected);
        }
    }

    @Test
    void halfFloatsAreThoseOfTheirFormats() {
        assertThat(HalfFloats.fromF16((short) 0x3c00)).isEqualTo(1f);
        assertThat(HalfFloats.fromF16((short) 0xc000)).isEqualTo(-2f);
        assertThat(HalfFloats.fromF16((short) 0x7bff)).isEqualTo(65504f);
        assertThat(HalfFloats.fromF16((short) 0x0001)).isEqualTo(0x1p-24f);
        assertThat(HalfFloats.fromF16((short) 0x83ff)).isEqualTo(-1023 * 0x1p-24f);
        assertThat(HalfFloats.fromF16((short) 0x8000)).isEqualTo(-0f);
        assertThat(HalfFloats.fromF16((short) 0x7c00)).isInfinite();
        assertThat(HalfFloats.fromF16((short) 0x7e00)).isNaN();
        assertThat(HalfFloats.fromBf16((short) 0x3f80)).isEqualTo(1f);
        assertThat(HalfFloats.toBf16(1.0f + 0x1p-8f)).isEqualTo((short) 0x3f80); // a tie, to even
        assertThat(HalfFloats.toBf16(1.0f + 3 * 0x1p-8f)).isEqualTo((short) 0x3f82);
        assertThat(HalfFloats.toBf16(1.0f + 0x1p-8f + 0x1p-20f)).isEqualTo((short) 0x3f81);
        assertThat(HalfFloats.fromBf16(HalfFloats.toBf16(Float.intBitsToFloat(0x7f800001))))
                .isNaN();
        for (int bits = 0; bits < 0x7f80; bits++) {
            assertThat(HalfFloats.toBf16(HalfFloats.fromBf16((short) bits))).isEqualTo((short) bits);
        }
    }
}
