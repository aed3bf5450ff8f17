package dev.kindling.interop;

/** Between float and the two 16-bit formats. */
final class HalfFloats {
    private HalfFloats() {}

    /** Rounds to nearest, ties to even; a NaN stays one. */
    static short toBf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) ((bits >>> 16) | 0x40);
        }
        return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
    }

    static float fromBf16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /** Rounds to nearest, ties to even; infinite from 65520 on. */
    static short toF16(float value) {
        int bits = Float.floatToRawIntBits(value);
        int sign = (bits >>> 16) & 0x8000;
        float magnitude = Math.abs(value);
        if (Float.isNaN(value)) {
            return (short) (sign | 0x7e00);
        }
        if (magnitude >= 65520) {
            return (short) (sign | 0x7c00);
        }
        if (magnitude < 0x1p-14f) { // subnormal: a multiple of 2^-24, to which the sum rounds
            return (short) (sign | (Float.floatToRawIntBits(magnitude + 0.5f) - Float.floatToRawIntBits(0.5f)));
        }
        int rebiased = (bits & 0x7fffffff) - ((127 - 15) << 23);
        return (short) (sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13));
    }

    /** IEEE 754's binary16: 1 bit of sign, 5 of exponent, 10 of mantissa. */
    static float fromF16(short bits) {
        int sign = (bits & 0x8000) << 16;
        int exponent = (bits >>> 10) & 0x1f;
        int mantissa = bits & 0x3ff;
        if (exponent == 0) { // zero, or subnormal: mantissa x 2^-24
            return Float.intBitsToFloat(sign | Float.floatToRawIntBits(mantissa * 0x1p-24f));
        }
        int widened = exponent == 0x1f ? 0xff : exponent - 15 + 127;
        return Float.intBitsToFloat(sign | (widened << 23) | (mantissa << 13));
    }
}
