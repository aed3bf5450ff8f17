package dev.kindling.profile;

import dev.kindling.device.Device;
import dev.kindling.device.Stopwatch;
import java.util.Arrays;

/** Times work on a device by the device's own clock, run after run, after a warm-up. */
public final class WorkTimer {
    private static final int LEAST_RUNS = 3;
    private static final int MOST_RUNS = 50;
    private static final double BUDGET_MICROS = 5e5;

    private WorkTimer() {}

    /**
     * The median of some runs, and how many they were.
     *
     * @param micros of one run
     */
    public record Median(double micros, int runs) {}

    /** Runs {@code work} 3 to 50 times, as many as half a second holds, and half as often before. */
    public static Median time(Device device, Runnable work) {
        try (Stopwatch stopwatch = device.stopwatch()) {
            double once = times(stopwatch, work, 2)[1];
            int runs = (int) Math.max(LEAST_RUNS, Math.min(MOST_RUNS, BUDGET_MICROS / once));
            times(stopwatch, work, Math.max(1, runs / 2));
            double[] sorted = times(stopwatch, work, runs);
            Arrays.sort(sorted);
            return new Median(sorted[runs / 2], runs);
        }
    }

    /** Enqueues all runs before waiting, so that launch latency is hidden where the device is the slower side. */
    private static double[] times(Stopwatch stopwatch, Runnable work, int runs) {
        stopwatch.mark();
        for (int i = 0; i < runs; i++) {
            work.run();
            stopwatch.mark();
        }
        double[] marks = stopwatch.readMicros();
        double[] micros = new double[runs];
        Arrays.setAll(micros, i -> marks[i + 1] - marks[i]);
        return micros;
    }
}
