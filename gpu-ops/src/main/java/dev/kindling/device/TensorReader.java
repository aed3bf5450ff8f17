package dev.kindling.device;

import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;

/**
 * Copies tensors to the host, a piece at a time, while the device goes on with other work: for a thread that writes what
 * no step changes any more. {@link #follow} belongs to the device's thread, {@link #read} to any.
 */
public interface TensorReader extends AutoCloseable {
    /** What is read from now on is what the work enqueued so far leaves. */
    void follow();

    /**
     * Copies a dense F32, BF16 or F16 tensor to as many values of the buffer from its position on, which stays; waits for a bounded time.
     *
     * @throws IllegalStateException if this is closed
     */
    void read(Tensor from, FloatBuffer to);

    /** Waits for the piece that is being read. */
    @Override
    void close();
}
