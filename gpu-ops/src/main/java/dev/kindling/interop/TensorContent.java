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
    /** 64 MiB of floats. */
    private static final int MOST_HELD = 1 << 24;

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

    /**
     * The transpose of a matrix. Of its rows, as many as {@link #MOST_HELD} elements are held at a time, and this matrix is
     * read once for each such band.
     */
    public TensorContent transposed() {
        int rows = Math.toIntExact(shape.get(0));
        int columns = Math.toIntExact(shape.get(1));
        int band = Math.max(1, Math.min(columns, MOST_HELD / rows));
        return new TensorContent(List.of((long) columns, (long) rows), sink -> {
            float[] held = new float[Math.multiplyExact(band, rows)];
            for (int first = 0; first < columns; first += band) {
                int end = Math.min(columns, first + band);
                elements.writeTo(new Band(held, first, end, rows, columns));
                sink.take(FloatBuffer.wrap(held, 0, (end - first) * rows));
            }
        });
    }

    /** Takes a matrix row by row, and keeps some of its columns, one after the other. */
    private static final class Band implements Sink {
        private final float[] held;
        private final int first;
        private final int end;
        private final int rows;
        private final int columns;
        private int row;
        private int column;

        Band(float[] held, int first, int end, int rows, int columns) {
            this.held = held;
            this.first = first;
            this.end = end;
            this.rows = rows;
            this.columns = columns;
        }

        @Override
        public void take(FloatBuffer next) {
            while (next.hasRemaining()) {
                float value = next.get();
                if (column >= first && column < end) {
                    held[(column - first) * rows + row] = value;
                }
                if (++column == columns) {
                    column = 0;
                    row++;
                }
            }
        }
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
