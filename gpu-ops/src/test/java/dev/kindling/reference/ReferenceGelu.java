package dev.kindling.reference;

import dev.kindling.device.Gelu;

/** GELU and its derivative. */
public final class ReferenceGelu {
    private static final double ROOT = Math.sqrt(2 / Math.PI);

    private ReferenceGelu() {}

    public static double value(Gelu.Form form, double x) {
        return form == Gelu.Form.ERF ? x * normal(x) : x / 2 * (1 + Math.tanh(ROOT * (x + 0.044715 * x * x * x)));
    }

    public static double derivative(Gelu.Form form, double x) {
        if (form == Gelu.Form.ERF) {
            return normal(x) + x * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
        }
        double t = Math.tanh(ROOT * (x + 0.044715 * x * x * x));
        return (1 + t) / 2 + x / 2 * (1 - t * t) * ROOT * (1 + 3 * 0.044715 * x * x);
    }

    /** The normal distribution function by Marsaglia's series, good to 1e-15 for |x| below 7. */
    private static double normal(double x) {
        if (x < -7) {
            return 0;
        }
        if (x > 7) {
            return 1;
        }
        double sum = x;
        double term = x;
        for (int i = 3; Math.abs(term) > 1e-17 * Math.abs(sum); i += 2) {
            term *= x * x / i;
            sum += term;
        }
        return 0.5 + sum * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
    }
}
