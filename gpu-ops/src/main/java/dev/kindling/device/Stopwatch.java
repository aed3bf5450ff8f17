package dev.kindling.device;

/**
 * A device's own timer: marks in the order of its work, read together once the work is done, so that timing never makes
 * the device wait. CUDA: events; CPU: the clock, since its work is done when an op returns.
 */
public interface Stopwatch extends AutoCloseable {
    /** Marks the point after everything enqueued so far; returns the mark's number, from 0. */
    int mark();

    /** Waits for all marks, returns each one's microseconds since the first, and starts over without marks. */
    double[] readMicros();

    @Override
    void close();
}
