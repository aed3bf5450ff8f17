package dev.kindling.checkpoint;

import dev.kindling.interop.TensorContent;
import java.nio.FloatBuffer;
import java.util.Arrays;

/**
 * A named tensor's place in a flat buffer: row-major float32 elements {@code [offset, offset + count)} of
 * {@code buffer}. The buffer is shared, not copied.
 */
public final class TensorSlice {
    private final int[] shape;
    private final float[] buffer;
    private final int offset;
    private final int count;

    /** @throws IllegalArgumentException when the elements do not lie within the buffer */
    public TensorSlice(int[] shape, float[] buffer, int offset) {
        this.shape = shape.clone();
        this.buffer = buffer;
        this.offset = offset;
        long elements = 1;
        for (int extent : shape) {
            elements = Math.multiplyExact(elements, (long) extent);
        }
        if (elements < 0 || offset < 0 || offset + elements > buffer.length) {
            throw new IllegalArgumentException("tensor " + Arrays.toString(shape) + " at " + offset
                    + " does not fit a buffer of " + buffer.length + " floats");
        }
        this.count = (int) elements;
    }

    public int[] shape() {
        return shape.clone();
    }

    public int count() {
        return count;
    }

    /** A view of the elements, from position 0. */
    public FloatBuffer elements() {
        return FloatBuffer.wrap(buffer, offset, count).slice();
    }

    /** The elements, to be written. */
    TensorContent content() {
        return new TensorContent(
                Arrays.stream(shape).mapToObj(extent -> (long) extent).toList(), sink -> sink.take(elements()));
    }

    @Override
    public String toString() {
        return "TensorSlice" + Arrays.toString(shape);
    }
}
