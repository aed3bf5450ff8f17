package dev.kindling.model;

import java.nio.FloatBuffer;

/**
 * F32 values in the layout of the flat buffers of {@link dev.kindling.nn.parameter.Parameters}, wherever they lie: weights, or
 * moments. Any thread may read them. Who has them closes them.
 */
public interface FlatValues extends AutoCloseable {
    /**
     * Copies the values from {@code offset} on, as many as the buffer has left; its position stays.
     *
     * @throws IllegalStateException if they are closed
     */
    void read(long offset, FloatBuffer to);

    @Override
    void close();
}
