package dev.kindling.device;

/**
 * A timer of a device's work. Marks are enqueued between operations and read together at the end, so timing never makes
 * the device wait. On CUDA a mark is an event; on the CPU it reads the clock, since an operation has ended when it returns.
 */
public interface Stopwatch extends AutoCloseable {
    /** Marks the point after everything enqueued so far; returns the mark's number, from 0. */
    int mark();

    /** Waits for all marks, returns each one's microseconds since the first, and starts over without marks. */
    double[] readMicros();

    @Override
    void close();
}
