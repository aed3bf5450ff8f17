package dev.kindling.device.cpu.rows;

/**
 * exp and the normal distribution in float: the polynomials that {@link VectorMath} evaluates in vectors, with the same
 * constants.
 */
final class ScalarMath {
    /** exp below this would be subnormal and is 0. */
    static final float LOWEST = (float) -87.33654;
    /** exp above this would overflow and stays at the value here, about 3.4e38. */
    static final float HIGHEST = (float) 88.72283;

    static final float LOG2_E = (float) 1.44269504;
    /** 1.5 * 2^23: adding it rounds to an integer, which is then found in the low bits. */
    static final float ROUNDER = 12582912f;
    /** ln 2 in two parts, the first exact in few bits. */
    static final float LN2_HIGH = (float) 0.693359375;

    static final float LN2_LOW = (float) -2.12194440e-4;

    /** exp(r) = 1 + r + r^2 (E0 + r (E1 + ...)) for |r| up to ln 2 / 2; relative error 1e-7. */
    static final float E0 = (float) 5.0000001201e-1;

    static final float E1 = (float) 1.6666665459e-1;
    static final float E2 = (float) 4.1665795894e-2;
    static final float E3 = (float) 8.3334519073e-3;
    static final float E4 = (float) 1.3981999507e-3;
    static final float E5 = (float) 1.9875691500e-4;

    /** erfc(z) = t (A1 + t (A2 + ...)) exp(-z^2), t = 1 / (1 + P z), Abramowitz and Stegun 7.1.26; error 1.5e-7. */
    static final float P = (float) 0.3275911;

    static final float A1 = (float) 0.254829592;
    static final float A2 = (float) -0.284496736;
    static final float A3 = (float) 1.421413741;
    static final float A4 = (float) -1.453152027;
    static final float A5 = (float) 1.061405429;

    static final float ROOT_HALF = (float) 0.70710678;
    /** 1 / sqrt(2 pi). */
    static final float NORMAL_PEAK = (float) 0.39894228;
    /** GELU's tanh form: tanh(u), u = ROOT_2_PI (x + CUBIC x^3). */
    static final float ROOT_2_PI = (float) 0.79788456;

    static final float CUBIC = (float) 0.044715;

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
