package dev.kindling.report;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * One axis of a chart: maps values from {@code low} to {@code high} to positions from {@code from} to {@code to}.
 *
 * @param step between two ticks: 1, 2 or 5 times a power of ten
 */
record Scale(double low, double high, double step, double from, double to) {
    private static final int TICKS = 5;
    /** Values further than this above all but one in fifty are peaks. */
    private static final double PEAK = 3;

    /** A scale that fits the values. With {@code fromZero} it begins at 0 and cuts off rare peaks. */
    static Scale of(double[] values, boolean fromZero, double from, double to) {
        double low = fromZero ? 0 : Arrays.stream(values).min().orElse(0);
        double high =
                fromZero ? withoutPeaks(values) : Arrays.stream(values).max().orElse(1);
        if (high <= low) {
            high = low + Math.max(Math.abs(low) * 0.1, 1e-9);
        }
        double step = step((high - low) / TICKS);
        boolean vertical = from > to;
        return vertical
                ? new Scale(Math.floor(low / step) * step, Math.ceil(high / step) * step, step, from, to)
                : new Scale(low, high, step, from, to);
    }

    private static double withoutPeaks(double[] values) {
        double[] sorted = Arrays.stream(values).sorted().toArray();
        if (sorted.length == 0) {
            return 1;
        }
        double usual = sorted[(sorted.length - 1) * 49 / 50];
        double highest = sorted[sorted.length - 1];
        return usual > 0 && highest > PEAK * usual ? PEAK / 2 * usual : highest;
    }

    private static double step(double rough) {
        double power = Math.pow(10, Math.floor(Math.log10(rough)));
        double factor = rough / power;
        return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
    }

    /** The position of a value. */
    double at(double value) {
        return from + (value - low) / (high - low) * (to - from);
    }

    List<Double> ticks() {
        List<Double> ticks = new ArrayList<>();
        for (long i = (long) Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
            ticks.add(i * step);
        }
        return ticks;
    }

    /** A tick's value in few characters: 0.002 as 2e-3, 20000 as 20k. */
    String label(double tick) {
        if (Math.abs(tick) < step / 2) {
            return "0";
        }
        if (high >= 1e6) {
            return shortened(tick / 1e6, step / 1e6) + "M";
        }
        if (high >= 1e4) {
            return shortened(tick / 1e3, step / 1e3) + "k";
        }
        if (high < 0.1) {
            int exponent = (int) Math.floor(Math.log10(high));
            double scale = Math.pow(10, exponent);
            return shortened(tick / scale, step / scale) + "e" + exponent;
        }
        return shortened(tick, step);
    }

    private static String shortened(double value, double step) {
        int decimals = (int) Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
        return String.format(Locale.ROOT, "%." + decimals + "f", value);
    }
}
