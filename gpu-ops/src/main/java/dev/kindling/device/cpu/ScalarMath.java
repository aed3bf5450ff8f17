package dev.kindling.device.cpu;

/**
 * exp and the normal distribution in float: the polynomials that {@link VectorMath} evaluates in vectors, with the same
 * constants.
 */
final class ScalarMath {
    /** exp below this would be subnormal and is 0. */
    static final float LOWEST = -87.33654f;
    /** exp above this would overflow and stays at the value here, about 3.4e38. */
    static final float HIGHEST = 88.72283f;

    static final float LOG2_E = 1.44269504f;
    /** 1.5 * 2^23: adding it rounds to an integer, which is then found in the low bits. */
    static final float ROUNDER = 12582912f;
    /** ln 2 in two parts, the first exact in few bits. */
    static final float LN2_HIGH = 0.693359375f;

    static final float LN2_LOW = -2.12194440e-4f;

    /** exp(r) = 1 + r + r^2 (E0 + r (E1 + ...)) for |r| <= ln 2 / 2; relative error 1e-7. */
    static final float E0 = 5.0000001201e-1f;

    static final float E1 = 1.6666665459e-1f;
    static final float E2 = 4.1665795894e-2f;
    static final float E3 = 8.3334519073e-3f;
    static final float E4 = 1.3981999507e-3f;
    static final float E5 = 1.9875691500e-4f;

    /** erfc(z) = t (A1 + t (A2 + ...)) exp(-z^2), t = 1 / (1 + P z), Abramowitz and Stegun 7.1.26; error 1.5e-7. */
    static final float P = 0.3275911f;

    static final float A1 = 0.254829592f;
    static final float A2 = -0.284496736f;
    static final float A3 = 1.421413741f;
    static final float A4 = -1.453152027f;
    static final float A5 = 1.061405429f;

    static final float ROOT_HALF = 0.70710678f;
    /** 1 / sqrt(2 pi). */
    static final float NORMAL_PEAK = 0.39894228f;
    /** GELU's tanh form: tanh(u), u = ROOT_2_PI (x + CUBIC x^3). */
    static final float ROOT_2_PI = 0.79788456f;

    static final float CUBIC = 0.044715f;

    private ScalarMath() {}

    static float exp(float x) {
        if (x < LOWEST) {
            return 0f;
        }
        float limited = x > HIGHEST ? HIGHEST : x;
        float shifted = limited * LOG2_E + ROUNDER;
        float n = shifted - ROUNDER;
        float r = (limited - n * LN2_HIGH) - n * LN2_LOW;
        float q = E0 + r * (E1 + r * (E2 + r * (E3 + r * (E4 + r * E5))));
        float power = 1f + (r + r * r * q);
        return Float.intBitsToFloat(Float.floatToRawIntBits(power) + (Float.floatToRawIntBits(shifted) << 23));
    }

    /** The normal distribution function, given e = exp(-x^2 / 2). */
    static float normal(float x, float e) {
        float t = 1f / (1f + P * (Math.abs(x) * ROOT_HALF));
        float tail = 0.5f * t * (A1 + t * (A2 + t * (A3 + t * (A4 + t * A5)))) * e;
        return x < 0 ? tail : 1f - tail;
    }
}
