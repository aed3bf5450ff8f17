package dev.kindling.device.cuda;

/** Conversions of the host's copies, rounding to nearest even. (Java has binary16 only from 20 on.) */
final class HalfPrecision {
    private HalfPrecision() {}

    static short toBf16(float x) {
        int bits = Float.floatToRawIntBits(x);
        if (Float.isNaN(x)) {
            return (short) (bits >>> 16 | 0x40);
        }
        return (short) ((bits + 0x7fff + (bits >>> 16 & 1)) >>> 16);
    }

    static float fromBf16(short x) {
        return Float.intBitsToFloat(x << 16);
    }

    static short toF16(float x) {
        int bits = Float.floatToRawIntBits(x);
        int sign = bits >>> 16 & 0x8000;
        float size = Math.abs(x);
        if (Float.isNaN(x)) {
            return (short) (sign | 0x7e00);
        }
        if (size >= 65520) {
            return (short) (sign | 0x7c00);
        }
        if (size < 0x1p-14f) {
            // Subnormal: multiples of 2^-24; rint rounds to even.
            return (short) (sign | (int) Math.rint(size * 0x1p24));
        }
        int magnitude = bits & 0x7fffffff;
        int rounded = magnitude + 0xfff + (magnitude >>> 13 & 1);
        return (short) (sign | (rounded >>> 13) - (112 << 10));
    }

    static float fromF16(short x) {
        int exponent = x >>> 10 & 31;
        int fraction = x & 0x3ff;
        float size;
        if (exponent == 0) {
            size = fraction * 0x1p-24f;
        } else if (exponent == 31) {
            size = fraction == 0 ? Float.POSITIVE_INFINITY : Float.NaN;
        } else {
            size = Float.intBitsToFloat(((exponent + 112) << 23) | (fraction << 13));
        }
        return x < 0 ? -size : size;
    }
}
