package dev.kindling.device.cuda;

import dev.kindling.tensor.DType;

/** E4M3 and E5M2 as numbers, in double precision (Micikevicius et al., arXiv:2209.05433). */
public record Fp8Rounding(int fractionBits, int leastExponent, double limit) {
    public static Fp8Rounding of(DType type) {
        return type == DType.E4M3 ? new Fp8Rounding(3, -6, 448) : new Fp8Rounding(2, -14, 57344);
    }

    /** The nearest number, to even; the largest for what is beyond it. */
    public double round(double x) {
        int exponent = Math.max(leastExponent, x == 0 ? leastExponent : Math.getExponent(x));
        double step = Math.scalb(1.0, exponent - fractionBits);
        double rounded = Math.rint(x / step) * step;
        return Math.max(-limit, Math.min(limit, rounded));
    }
}
