package dev.kindling.device.cpu.matmul;

import static dev.kindling.device.cpu.matmul.VectorPacking.PITCH;

import dev.kindling.device.cpu.rows.CpuThreads;
import jdk.incubator.vector.FloatVector;

/**
 * Matrix products in the Vector API, fp32. k is cut into blocks that keep a panel of B in the first-level cache; the
 * blocks are summed in order, so the result depends on the shape alone. A block of B is packed into panels of two vectors'
 * width, shared by all threads, and used while it is in the second-level cache; A is packed by the thread that needs it.
 * Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008.
 */
public final class VectorMatmul implements CpuMatmul {
    private static final int LANES = FloatVector.SPECIES_PREFERRED.length();
    public static final boolean MANY_REGISTERS = FloatVector.SPECIES_PREFERRED.vectorBitSize() == 512
            || System.getProperty("os.arch", "").startsWith("aarch64");
    /** A tile: rows of A by columns of B. */
    private static final int ROWS = MANY_REGISTERS ? VectorTile12.ROWS : VectorTile4.ROWS;

    private static final int COLUMNS = 2 * LANES;
    /** A panel of B of this depth takes 32 KiB with 512-bit vectors and stays in the first-level cache. */
    private static final int DEPTH = 256;
    /** Tiles of A per block: about 200 KiB, which stays in the second-level cache. */
    private static final int BLOCK_TILES = 192 / ROWS;
    /** Columns of B that are packed at a time: with this depth 1 MiB. */
    private static final int MOST_COLUMNS = 1024;
    /**
     * Rows of C this far apart (half a page) are written along the rows: down a column every tile would meet a dozen other
     * pages, and half its cost again. Shorter rows are written down the columns, under one panel of B after the other.
     */
    private static final int LONG_ROW = 512;
    /**
     * Floats of an array for packed B: more than is needed, so that G1 gives it heap regions of its own (with heaps up to
     * 16 GiB) and it starts a 16-byte header behind a cache line. From {@link #B_START} on vectors then do not straddle
     * two lines, which is worth 5 to 10 % on Intel's CPUs.
     */
    private static final int REGION_FLOATS = 1 << 20;

    private static final int B_START = 12;
    /** Below this many multiplications a second thread costs more than it brings. */
    private static final long WORTH_SHARING = 1 << 17;

    private static final float[] ZEROS = new float[COLUMNS];

    private final CpuThreads threads;
    private final Scratch[] scratch;

    /** Packed B of the product at hand (worker 0's serves shared products), packed A, and one tile for the edges. */
    private static final class Scratch {
        private float[] b = new float[0];
        private float[] a = new float[0];
        private final float[] tile = new float[ROWS * COLUMNS];

        void reserveB(int floats) {
            if (b.length < B_START + floats) {
                b = new float[B_START + floats];
            }
        }

        void reserveA(int floats) {
            if (a.length < floats + VectorPacking.SLACK) {
                a = new float[floats + VectorPacking.SLACK];
            }
        }
    }

    /** Columns [column, column + width) of the product over k in [p0, p0 + depth), and that part of B, packed. */
    @SuppressWarnings("ArrayRecordComponent") // a view that nobody compares
    private record Part(MatmulCall call, int column, int width, int p0, int depth, float[] b) {
        int panels() {
            return ceil(width, COLUMNS);
        }

        int at(int panel) {
            return B_START + panel * COLUMNS * depth;
        }
    }

    public VectorMatmul(CpuThreads threads) {
        this.threads = threads;
        scratch = new Scratch[threads.threads()];
        for (int i = 0; i < scratch.length; i++) {
            scratch[i] = new Scratch();
        }
        scratch[0].reserveB(REGION_FLOATS);
    }

    @Override
    public synchronized void multiply(MatmulCall call) {
        if (call.isEmpty()) {
            return;
        }
        boolean shared = threads.threads() > 1 && (long) call.m() * call.n() * call.k() >= WORTH_SHARING;
        multiply(call, scratch[0], shared);
    }

    @Override
    public synchronized void multiply(MatmulCall call, MatmulBatch batch) {
        if (call.isEmpty()) {
            return;
        }
        threads.ranges(batch.count(), (worker, from, to) -> {
            for (int i = from; i < to; i++) {
                MatmulCall one = call.at(
                        batch.aOffset().applyAsInt(i),
                        batch.bOffset().applyAsInt(i),
                        batch.cOffset().applyAsInt(i));
                multiply(one, scratch[worker], false);
            }
        });
    }

    private void multiply(MatmulCall call, Scratch home, boolean shared) {
        for (int column = 0; column < call.n(); column += MOST_COLUMNS) {
            int width = Math.min(MOST_COLUMNS, call.n() - column);
            int p0 = 0;
            do {
                int depth = Math.min(DEPTH, call.k() - p0);
                home.reserveB(ceil(width, COLUMNS) * COLUMNS * depth);
                multiply(new Part(call, column, width, p0, depth, home.b), home, shared);
                p0 += DEPTH;
            } while (p0 < call.k());
        }
    }

    private void multiply(Part part, Scratch home, boolean shared) {
        int units = part.call().b().transposed() ? part.panels() : part.depth();
        int tiles = ceil(part.call().m(), ROWS);
        if (shared) {
            threads.ranges(units, (worker, from, to) -> packB(part, from, to));
            share(part, tiles);
        } else {
            packB(part, 0, units);
            rectangle(part, 0, tiles, 0, part.panels(), home);
        }
    }

    /** Packs panels {@code from .. to-1} where B is transposed, else those rows of all panels: along B's rows either way. */
    private static void packB(Part part, int from, int to) {
        MatrixView b = part.call().b();
        if (!b.transposed()) {
            int first = b.index(part.p0(), part.column());
            VectorPacking.rowsOfB(
                    b.values(), first, b.rowStride(), from, to, part.width(), part.b(), B_START, part.depth());
            return;
        }
        for (int panel = from; panel < to; panel++) {
            int column = panel * COLUMNS;
            int used = Math.min(COLUMNS, part.width() - column);
            int first = b.index(part.p0(), part.column() + column);
            VectorPacking.transpose(
                    b.values(), first, b.rowStride(), used, part.depth(), part.b(), part.at(panel), COLUMNS);
        }
    }

    /** Lays a grid of as many rectangles as there are threads over the tiles, the one whose largest is smallest. */
    private void share(Part part, int tiles) {
        int workers = threads.threads();
        int panels = part.panels();
        int down = workers;
        long best = Long.MAX_VALUE;
        for (int rows = workers; rows >= 1; rows--) {
            long largest = (long) ceil(tiles, rows) * ceil(panels, workers / rows);
            if (workers % rows == 0 && largest < best) {
                best = largest;
                down = rows;
            }
        }
        int gridRows = down;
        int across = workers / down;
        threads.ranges(workers, (worker, from, to) -> {
            for (int i = from; i < to; i++) {
                int row = i / across;
                int column = i % across;
                rectangle(
                        part,
                        tiles * row / gridRows,
                        tiles * (row + 1) / gridRows,
                        panels * column / across,
                        panels * (column + 1) / across,
                        scratch[worker]);
            }
        });
    }

    private static void rectangle(Part part, int tile0, int tile1, int panel0, int panel1, Scratch scratch) {
        scratch.reserveA(BLOCK_TILES * ROWS * PITCH);
        for (int tile = tile0; tile < tile1; tile += BLOCK_TILES) {
            int end = Math.min(tile1, tile + BLOCK_TILES);
            packA(part, tile, end, scratch.a);
            int step = part.call().c().rowStride() < LONG_ROW ? end - tile : 1;
            for (int first = tile; first < end; first += step) {
                for (int panel = panel0; panel < panel1; panel++) {
                    panel(part, tile, first, first + step, panel, scratch);
                }
            }
        }
    }

    private static void packA(Part part, int tile0, int tile1, float[] packed) {
        MatrixView a = part.call().a();
        int row = tile0 * ROWS;
        int rows = Math.min(part.call().m(), tile1 * ROWS) - row;
        int first = a.index(row, part.p0());
        if (a.transposed()) {
            VectorPacking.columnsOfA(a.values(), first, a.rowStride(), rows, part.depth(), packed, ROWS);
        } else {
            VectorPacking.rowsOfA(a.values(), first, a.rowStride(), rows, part.depth(), packed);
        }
    }

    /** Tiles of C under one panel of B; A is packed from tile {@code packed} on. */
    private static void panel(Part part, int packed, int tile0, int tile1, int panel, Scratch scratch) {
        MatmulCall call = part.call();
        int column = part.column() + panel * COLUMNS;
        int columns = Math.min(COLUMNS, call.n() - column);
        float[] c = call.c().values();
        int cStride = call.c().rowStride();
        int cAt = call.c().index(tile0 * ROWS, column);
        float[] add = ZEROS;
        int addAt = 0;
        int addStride = 0;
        if (part.p0() > 0 || call.accumulate()) {
            add = c;
            addAt = cAt;
            addStride = cStride;
        } else if (call.bias() != null) {
            add = call.bias();
            addAt = call.biasOffset() + column;
        }
        Factors factors =
                new Factors(scratch.a, call.a().transposed(), part.b(), part.at(panel), part.depth(), call.alpha());
        float[] edge = scratch.tile;
        for (int tile = tile0; tile < tile1; tile++) {
            int aAt = (tile - packed) * ROWS * PITCH;
            int rows = Math.min(ROWS, call.m() - tile * ROWS);
            if (rows == ROWS && columns == COLUMNS) {
                kernel(factors, aAt, add, addAt, addStride, c, cAt, cStride);
            } else {
                copy(add, addAt, addStride, rows, columns, edge, COLUMNS, 0);
                kernel(factors, aAt, edge, 0, COLUMNS, edge, 0, COLUMNS);
                copy(edge, 0, COLUMNS, rows, columns, c, cStride, cAt);
            }
            addAt += ROWS * addStride;
            cAt += ROWS * cStride;
        }
    }

    /** What a tile multiplies: packed A, B's panel at {@code bAt}, {@code k} deep. */
    @SuppressWarnings("ArrayRecordComponent") // a view that nobody compares
    private record Factors(float[] a, boolean transposed, float[] b, int bAt, int k, float alpha) {}

    private static void kernel(
            Factors f, int aAt, float[] add, int addAt, int addStride, float[] c, int cAt, int cStride) {
        if (f.transposed() && MANY_REGISTERS) {
            VectorTile12.packed(f.a(), aAt, f.b(), f.bAt(), f.k(), f.alpha(), add, addAt, addStride, c, cAt, cStride);
        } else if (f.transposed()) {
            VectorTile4.packed(f.a(), aAt, f.b(), f.bAt(), f.k(), f.alpha(), add, addAt, addStride, c, cAt, cStride);
        } else if (MANY_REGISTERS) {
            VectorTile12.pitched(f.a(), aAt, f.b(), f.bAt(), f.k(), f.alpha(), add, addAt, addStride, c, cAt, cStride);
        } else {
            VectorTile4.pitched(f.a(), aAt, f.b(), f.bAt(), f.k(), f.alpha(), add, addAt, addStride, c, cAt, cStride);
        }
    }

    private static void copy(
            float[] from, int at, int stride, int rows, int columns, float[] to, int toStride, int toAt) {
        for (int i = 0; i < rows; i++) {
            System.arraycopy(from, at + i * stride, to, toAt + i * toStride, columns);
        }
    }

    private static int ceil(int amount, int unit) {
        return (amount + unit - 1) / unit;
    }

    @Override
    public String describe() {
        return "Vector API, fp32, " + LANES * Float.SIZE + "-bit, " + threads.threads() + " threads";
    }

    @Override
    public void close() {}
}
