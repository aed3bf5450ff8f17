package dev.kindling.tensor;

import java.util.Arrays;

/** The extents of a tensor, outermost first, e.g. (B, T, C). Every extent is at least 0. */
public final class Shape {
    private final long[] extents;

    private Shape(long[] extents) {
        this.extents = extents;
    }

    public static Shape of(long... extents) {
        for (long extent : extents) {
            if (extent < 0) {
                throw new IllegalArgumentException("negative extent in shape " + Arrays.toString(extents));
            }
        }
        return new Shape(extents.clone());
    }

    public int rank() {
        return extents.length;
    }

    /** The extent of a dimension; a negative {@code dimension} counts from the end, -1 being the last. */
    public long extent(int dimension) {
        return extents[dimension < 0 ? extents.length + dimension : dimension];
    }

    /** {@link #extent} as an int; throws {@link ArithmeticException} if it does not fit. */
    public int size(int dimension) {
        return Math.toIntExact(extent(dimension));
    }

    public long count() {
        long count = 1;
        for (long extent : extents) {
            count = Math.multiplyExact(count, extent);
        }
        return count;
    }

    /** Element strides of a dense row-major tensor of this shape. */
    public long[] rowMajorStrides() {
        long[] strides = new long[extents.length];
        long stride = 1;
        for (int i = extents.length - 1; i >= 0; i--) {
            strides[i] = stride;
            stride *= extents[i];
        }
        return strides;
    }

    public long[] toArray() {
        return extents.clone();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Shape shape && Arrays.equals(extents, shape.extents);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(extents);
    }

    @Override
    public String toString() {
        String list = Arrays.toString(extents);
        return "(" + list.substring(1, list.length() - 1) + ")";
    }
}
