package dev.kindling.tensor;

import java.util.Arrays;
import java.util.Locale;

/**
 * A shaped, strided view of a {@link Buffer}; offset and strides count elements. Immutable: reshaping, slicing and
 * transposing give new views of the same memory.
 */
public final class Tensor {
    private final Buffer buffer;
    private final long offset;
    private final Shape shape;
    private final long[] strides;

    private Tensor(Buffer buffer, long offset, Shape shape, long[] strides) {
        this.buffer = buffer;
        this.offset = offset;
        this.shape = shape;
        this.strides = strides;
    }

    /** A dense row-major view of {@code buffer} from element {@code offset} on. */
    public static Tensor dense(Buffer buffer, long offset, Shape shape) {
        if (offset < 0 || offset + shape.count() > buffer.count()) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "a view of shape %s at %,d leaves buffer %s of %,d elements",
                    shape,
                    offset,
                    buffer.name(),
                    buffer.count()));
        }
        return new Tensor(buffer, offset, shape, shape.rowMajorStrides());
    }

    public Buffer buffer() {
        return buffer;
    }

    public long offset() {
        return offset;
    }

    public Shape shape() {
        return shape;
    }

    public DType dtype() {
        return buffer.dtype();
    }

    public long count() {
        return shape.count();
    }

    /** The size of one dimension; negative dimensions count from the end. */
    public int size(int dimension) {
        return shape.size(dimension);
    }

    /** Elements between neighbours along a dimension; negative dimensions count from the end. */
    public long stride(int dimension) {
        return strides[dimension < 0 ? strides.length + dimension : dimension];
    }

    public boolean isDense() {
        long expected = 1;
        for (int i = shape.rank() - 1; i >= 0; i--) {
            if (shape.extent(i) != 1 && strides[i] != expected) {
                return false;
            }
            expected *= shape.extent(i);
        }
        return true;
    }

    /** The same elements under another shape; needs a dense tensor. */
    public Tensor reshape(long... extents) {
        Shape to = Shape.of(extents);
        if (!isDense() || to.count() != count()) {
            throw new IllegalArgumentException(String.format(Locale.ROOT, "cannot see %s as %s", this, to));
        }
        return new Tensor(buffer, offset, to, to.rowMajorStrides());
    }

    /** Elements {@code start .. start+length-1} along a dimension. */
    public Tensor slice(int dimension, long start, long length) {
        int d = dimension < 0 ? shape.rank() + dimension : dimension;
        if (start < 0 || length < 0 || start + length > shape.extent(d)) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "slice %d..%d of dimension %d leaves %s", start, start + length, d, this));
        }
        long[] extents = shape.toArray();
        extents[d] = length;
        return new Tensor(buffer, offset + start * strides[d], Shape.of(extents), strides.clone());
    }

    /** Drops a dimension at one index. */
    public Tensor select(int dimension, long index) {
        Tensor one = slice(dimension, index, 1);
        int d = dimension < 0 ? shape.rank() + dimension : dimension;
        long[] extents = new long[shape.rank() - 1];
        long[] kept = new long[extents.length];
        for (int i = 0, j = 0; i < shape.rank(); i++) {
            if (i != d) {
                extents[j] = shape.extent(i);
                kept[j++] = strides[i];
            }
        }
        return new Tensor(buffer, one.offset, Shape.of(extents), kept);
    }

    /** The same memory with two dimensions exchanged. */
    public Tensor transpose(int first, int second) {
        int a = first < 0 ? shape.rank() + first : first;
        int b = second < 0 ? shape.rank() + second : second;
        long[] extents = shape.toArray();
        long[] swapped = strides.clone();
        long extent = extents[a];
        extents[a] = extents[b];
        extents[b] = extent;
        long stride = swapped[a];
        swapped[a] = swapped[b];
        swapped[b] = stride;
        return new Tensor(buffer, offset, Shape.of(extents), swapped);
    }

    /** Repeats extents of 1 (stride 0) to reach {@code to}; missing leading dimensions are added. */
    public Tensor broadcast(Shape to) {
        int lead = to.rank() - shape.rank();
        long[] widened = new long[to.rank()];
        for (int i = 0; i < to.rank(); i++) {
            long extent = i < lead ? 1 : shape.extent(i - lead);
            if (lead < 0 || (extent != 1 && extent != to.extent(i))) {
                throw new IllegalArgumentException(String.format(Locale.ROOT, "cannot broadcast %s to %s", this, to));
            }
            widened[i] = (extent == 1 && to.extent(i) != 1) || i < lead ? 0 : strides[i - lead];
        }
        return new Tensor(buffer, offset, to, widened);
    }

    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "%s%s%s of %s",
                dtype(),
                shape,
                isDense() ? "" : " strides " + Arrays.toString(strides),
                buffer.name());
    }
}
