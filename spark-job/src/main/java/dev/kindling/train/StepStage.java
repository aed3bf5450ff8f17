package dev.kindling.train;

import dev.kindling.device.Device;
import dev.kindling.device.Replay;

/**
 * A part of a step, the same operations in every step. If it is compiled, the first run is eager and loads its kernels and
 * libraries, the second one captures it (on CUDA as a graph), and this and all later runs replay it. If not, all are eager.
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
