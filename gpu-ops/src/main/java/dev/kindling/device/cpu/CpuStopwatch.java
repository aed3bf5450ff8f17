package dev.kindling.device.cpu;

import dev.kindling.device.Stopwatch;
import java.util.Arrays;

/** Marks by {@link System#nanoTime}. */
final class CpuStopwatch implements Stopwatch {
    private long[] nanos = new long[64];
    private int marks;

    @Override
    public int mark() {
        if (marks == nanos.length) {
            nanos = Arrays.copyOf(nanos, 2 * marks);
        }
        nanos[marks] = System.nanoTime();
        return marks++;
    }

    @Override
    public double[] readMicros() {
        double[] micros = new double[marks];
        for (int i = 0; i < marks; i++) {
            micros[i] = (nanos[i] - nanos[0]) / 1e3;
        }
        marks = 0;
        return micros;
    }

    @Override
    public void close() {}
}
