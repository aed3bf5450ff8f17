package dev.kindling.device.cpu.matmul;

import java.util.Locale;

/**
 * A row-major matrix inside a heap array: element (i, j) of the stored matrix is
 * {@code values[offset + i * rowStride + j]}. With {@code transposed}, a product reads element (j, i) as (i, j).
 */
public record MatrixView(float[] values, int offset, int rowStride, boolean transposed) {

    /** The matrix as it is stored. */
    public static MatrixView of(float[] values, int offset, int rowStride) {
        return new MatrixView(values, offset, rowStride, false);
    }

    /** The transpose of what is stored. */
    public static MatrixView transpose(float[] values, int offset, int rowStride) {
        return new MatrixView(values, offset, rowStride, true);
    }

    MatrixView at(int newOffset) {
        return new MatrixView(values, newOffset, rowStride, transposed);
    }

    /** Index of logical element (row, column). */
    int index(int row, int column) {
        return transposed ? offset + column * rowStride + row : offset + row * rowStride + column;
    }

    /** Throws unless a logical rows x columns matrix lies within the array and its rows do not overlap. */
    void requireHolds(String name, int rows, int columns) {
        int storedRows = transposed ? columns : rows;
        int storedColumns = transposed ? rows : columns;
        if (storedRows == 0 || storedColumns == 0) {
            return;
        }
        long end = (long) offset + (long) (storedRows - 1) * rowStride + storedColumns;
        if (offset < 0 || rowStride < storedColumns || end > values.length) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "%s of the matrix product is stored as %d x %d at offset %d with row stride %d, which does not fit"
                            + " an array of %,d floats; check the offset and the stride",
                    name,
                    storedRows,
                    storedColumns,
                    offset,
                    rowStride,
                    values.length));
        }
    }
}
