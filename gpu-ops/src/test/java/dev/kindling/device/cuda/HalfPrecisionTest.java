package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HalfPrecisionTest {
    @ParameterizedTest
    @CsvSource({
        "0,0000",
        "-0.0,8000",
        "1,3c00",
        "-2,c000",
        "65504,7bff",
        "65519,7bff",
        "65520,7c00",
        "1e9,7c00",
        "6.1035156e-5,0400",
        "5.9604645e-8,0001",
        "2.9802322e-8,0000",
        "8.940697e-8,0002",
        "6.1006e-5,0400",
        "1.00048828125,3c00",
        "1.00146484375,3c02",
        "0.333333,3555"
    })
    void f16RoundsToNearestEven(float x, String bits) {
        assertThat("%04x".formatted(HalfPrecision.toF16(x) & 0xffff)).isEqualTo(bits);
    }

    @ParameterizedTest
    @CsvSource({"1,3f80", "-1.5,bfc0", "1.00390625,3f80", "1.01171875,3f82", "3.4e38,7f80", "0.1,3dcd"})
    void bf16RoundsToNearestEven(float x, String bits) {
        assertThat("%04x".formatted(HalfPrecision.toBf16(x) & 0xffff)).isEqualTo(bits);
    }

    @Test
    void everyValueSurvivesTheRoundTrip() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            float f16 = HalfPrecision.fromF16((short) bits);
            if (!Float.isNaN(f16)) {
                assertThat(HalfPrecision.toF16(f16)).isEqualTo((short) bits);
            }
            float bf16 = HalfPrecision.fromBf16((short) bits);
            if (!Float.isNaN(bf16)) {
                assertThat(HalfPrecision.toBf16(bf16)).isEqualTo((short) bits);
            }
        }
        assertThat(HalfPrecision.fromF16(HalfPrecision.toF16(Float.NaN))).isNaN();
        assertThat(HalfPrecision.fromBf16(HalfPrecision.toBf16(Float.NaN))).isNaN();
    }
}
