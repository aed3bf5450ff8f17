package dev.kindling.train;

import dev.kindling.device.Device;
import dev.kindling.device.Replay;

/**
 * A part of a step that is the same work in every step. Where it is compiled it runs as it is the first time, which loads
 * its kernels and libraries, is captured the second time (CUDA: as a graph) and replayed from then on; else it just runs.
 */
final class StepStage implements AutoCloseable {
    private final Device device;
    private final boolean compiled;
    private final Runnable work;
    private boolean warm;
    private Replay replay;

    /** @param compiled only for work that does nothing but enqueue operations on the device */
    StepStage(Device device, boolean compiled, Runnable work) {
        this.device = device;
        this.compiled = compiled;
        this.work = work;
    }

    void run() {
        if (!compiled || !warm) {
            work.run();
            warm = true;
            return;
        }
        if (replay == null) {
            replay = device.capture(work);
        }
        replay.run();
    }

    @Override
    public void close() {
        if (replay != null) {
            replay.close();
        }
    }
}
