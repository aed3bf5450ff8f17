package dev.kindling.profile;

import dev.kindling.device.Device;
import dev.kindling.device.Stopwatch;
import java.util.ArrayList;
import java.util.List;

/**
 * Times operators by the device's own timer, without making the device wait. Everything that runs on {@link #device} is
 * recorded until {@link #read}.
 *
 * <p>An operator's time runs from the moment the device is free for its first kernel to the end of its last. Where the
 * host enqueues more slowly than the device works, as with small eager ops on a GPU, it includes the wait for the
 * launch.
 */
public final class Profiler implements AutoCloseable {
    private final Stopwatch stopwatch;
    private final Device device;
    private final List<Pending> pending = new ArrayList<>();
    private boolean recording = true;

    private record Pending(String operator, int start, int end) {}

    /**
     * Wraps a device.
     *
     * @param device owned by the caller; it must outlive the profiler
     */
    public Profiler(Device device) {
        this.stopwatch = device.stopwatch();
        this.device = new ProfiledDevice(device, this);
    }

    /** The device to use in place of the one given; its operators are timed. Closing it closes the device given. */
    public Device device() {
        return device;
    }

    /** Waits for the device; returns the spans since the last reading, in order. */
    public List<Span> read() {
        double[] micros = stopwatch.readMicros();
        List<Span> spans = pending.stream()
                .map(p -> new Span(p.operator(), micros[p.start()], micros[p.end()] - micros[p.start()]))
                .toList();
        pending.clear();
        return spans;
    }

    void time(String operator, Runnable work) {
        if (!recording) {
            work.run();
            return;
        }
        int start = stopwatch.mark();
        work.run();
        pending.add(new Pending(operator, start, stopwatch.mark()));
    }

    /** Runs work that is only captured, not executed, and so has no times to record. */
    void unrecorded(Runnable work) {
        recording = false;
        try {
            work.run();
        } finally {
            recording = true;
        }
    }

    @Override
    public void close() {
        stopwatch.close();
    }
}
