package dev.kindling.device;

/** A captured step; {@link #run} enqueues it (CUDA: one graph launch) or just runs it (CPU). */
public interface Replay extends AutoCloseable {
    void run();

    @Override
    void close();
}
