package dev.kindling.device;

/**
 * Copies one tensor to the host again and again while the device goes on. {@link #enqueue} belongs to the device's
 * thread, {@link #await} to any; each enqueued copy is awaited before the next.
 */
public interface Readback extends AutoCloseable {
    /** Enqueues a copy of the tensor as the work enqueued so far leaves it. */
    void enqueue();

    /** Waits, for a bounded time, for the copy, and hands it out; work enqueued after it is not waited for. */
    void await(float[] to);

    @Override
    void close();
}
