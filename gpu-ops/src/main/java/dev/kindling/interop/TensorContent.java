package dev.kindling.interop;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * A tensor that is read in order, a piece at a time, so that none need be whole in memory.
 *
 * @param shape row-major
 * @param elements hands all elements to a sink; may be called more than once
 */
public record TensorContent(List<Long> shape, Elements elements) {
    /** Hands out a tensor's elements. */
    public interface Elements {
        void writeTo(Sink sink) throws IOException;
    }

    /** Takes a tensor's elements. */
    public interface Sink {
        /** Takes the next elements, all that the buffer has left; the buffer is reused when this returns. */
        void take(FloatBuffer next) throws IOException;
    }

    public long count() {
        return shape.stream().reduce(1L, Math::multiplyExact);
    }

    /** The leading rows alone. */
    public TensorContent firstRows(long rows) {
        if (rows == shape.get(0)) {
            return this;
        }
        List<Long> cut = new ArrayList<>(shape);
        cut.set(0, rows);
        long wanted = new TensorContent(cut, elements).count();
        return new TensorContent(List.copyOf(cut), sink -> {
            long[] left = {wanted};
            elements.writeTo(next -> {
                int taken = (int) Math.min(left[0], next.remaining());
                left[0] -= taken;
                sink.take(next.slice(next.position(), taken));
            });
        });
    }

    /** A tensor of zeros. */
    public static TensorContent zeros(List<Long> shape) {
        long count = new TensorContent(shape, sink -> {}).count();
        return new TensorContent(shape, sink -> {
            FloatBuffer zeros = FloatBuffer.allocate(1 << 12);
            for (long at = 0; at < count; at += zeros.capacity()) {
                sink.take(zeros.slice(0, (int) Math.min(zeros.capacity(), count - at)));
            }
        });
    }
}
