package dev.kindling.device.cpu.matmul;

import java.util.ArrayList;
import java.util.List;

/**
 * A part of a product that oneDNN computes at a time: columns {@code column .. column+width-1} of C, from {@code depth}
 * of the k terms. B's part of it is small enough for the second-level cache. It is cut into chunks of C for the threads.
 * All sizes depend on the shape of the product alone.
 */
record SgemmPart(MatmulCall call, int column0, int width, int p0, int depth) {
    /** Shared copies are divided into this many pieces of rows. */
    static final int COPY_UNITS = 64;

    private static final int MOST_COLUMNS = 1024;
    private static final int MOST_DEPTH = 1024;
    /** Where A is transposed all of its columns are copied: less depth keeps them in the cache, too. */
    private static final int MOST_DEPTH_TRANSPOSED = 512;

    private static final int LEAST_DEPTH_TRANSPOSED = 256;
    private static final int MOST_FLOATS_TRANSPOSED = 1 << 20;

    private static final int CHUNK_ROWS = 128;
    /** From this many rows on, chunks of whole rows are enough for the threads. */
    private static final int MANY_ROWS = 4 * CHUNK_ROWS;

    private static final int LEAST_CHUNK_COLUMNS = 64;

    /** The parts of a product, in the order in which they are to be summed. */
    static List<SgemmPart> of(MatmulCall call) {
        int most = MOST_DEPTH;
        if (call.a().transposed()) {
            most = Math.min(MOST_DEPTH_TRANSPOSED, Math.max(LEAST_DEPTH_TRANSPOSED, MOST_FLOATS_TRANSPOSED / call.m()));
        }
        List<SgemmPart> parts = new ArrayList<>();
        for (int column = 0; column < call.n(); column += MOST_COLUMNS) {
            int width = Math.min(MOST_COLUMNS, call.n() - column);
            for (int p = 0; p < call.k(); p += most) {
                parts.add(new SgemmPart(call, column, width, p, Math.min(most, call.k() - p)));
            }
        }
        return parts;
    }

    private int chunkRows() {
        return Math.min(CHUNK_ROWS, call.m());
    }

    private int chunkColumns() {
        int quarter = (width + 3) / 4;
        return call.m() >= MANY_ROWS ? width : Math.min(width, Math.max(LEAST_CHUNK_COLUMNS, (quarter + 15) / 16 * 16));
    }

    private int across() {
        return (width + chunkColumns() - 1) / chunkColumns();
    }

    int chunks() {
        return (call.m() + chunkRows() - 1) / chunkRows() * across();
    }

    int row(int chunk) {
        return chunk / across() * chunkRows();
    }

    int rows(int chunk) {
        return Math.min(chunkRows(), call.m() - row(chunk));
    }

    /** The first column of a chunk, within this part. */
    int column(int chunk) {
        return chunk % across() * chunkColumns();
    }

    int columns(int chunk) {
        return Math.min(chunkColumns(), width - column(chunk));
    }

    /** Copies pieces {@code from .. to-1} of {@link #COPY_UNITS} of what all chunks read: B, and A where it is transposed. */
    void copyShared(FloatMemory a, FloatMemory b, int from, int to) {
        MatrixView stored = call.b();
        int rows = stored.transposed() ? width : depth;
        int columns = stored.transposed() ? depth : width;
        copyRows(stored, stored.index(p0, column0), rows, columns, b, from, to);
        if (call.a().transposed()) {
            copyRows(call.a(), call.a().index(0, p0), depth, call.m(), a, from, to);
        }
    }

    private static void copyRows(
            MatrixView stored, int at, int rows, int columns, FloatMemory target, int from, int to) {
        int first = (int) ((long) rows * from / COPY_UNITS);
        int end = (int) ((long) rows * to / COPY_UNITS);
        int stride = stored.rowStride();
        target.putRows(stored.values(), at + first * stride, stride, end - first, columns, first * columns);
    }

    /** Copies rows of A, which is not transposed. */
    void copyA(FloatMemory target, int row, int rows) {
        MatrixView a = call.a();
        target.putRows(a.values(), a.index(row, p0), a.rowStride(), rows, depth, 0);
    }

    /** Brings a chunk of products into C, with alpha and the addend; terms after the first are added to those before. */
    void finish(FloatMemory products, int chunk) {
        int rows = rows(chunk);
        int columns = columns(chunk);
        float[] c = call.c().values();
        int stride = call.c().rowStride();
        int at = call.c().index(row(chunk), column0 + column(chunk));
        boolean adds = p0 > 0 || call.accumulate();
        if (!adds && call.bias() == null && call.alpha() == 1f) {
            if (stride == columns) {
                products.get(0, c, at, rows * columns);
                return;
            }
            for (int row = 0; row < rows; row++) {
                products.get(row * columns, c, at + row * stride, columns);
            }
            return;
        }
        float[] line = new float[columns];
        for (int row = 0; row < rows; row++) {
            products.get(row * columns, line, 0, columns);
            int to = at + row * stride;
            if (adds) {
                add(call.alpha(), line, c, to, c, to);
            } else if (call.bias() != null) {
                add(call.alpha(), line, call.bias(), call.biasOffset() + column0 + column(chunk), c, to);
            } else {
                scale(call.alpha(), line, c, to);
            }
        }
    }

    private static void add(float alpha, float[] products, float[] addend, int addendAt, float[] c, int at) {
        for (int j = 0; j < products.length; j++) {
            c[at + j] = alpha * products[j] + addend[addendAt + j];
        }
    }

    private static void scale(float alpha, float[] products, float[] c, int at) {
        for (int j = 0; j < products.length; j++) {
            c[at + j] = alpha * products[j];
        }
    }
}
