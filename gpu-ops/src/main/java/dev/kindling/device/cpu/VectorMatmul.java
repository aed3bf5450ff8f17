package dev.kindling.device.cpu;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Matrix products in the Vector API, fp32. B is packed once into panels of two vectors' width, shared by all threads; A
 * is packed by the thread that needs it, or read in place where its rows are contiguous and too few columns would repay
 * the copy. k is cut into blocks that keep a panel in the first-level cache; the blocks are summed in order, so the result
 * depends on the shape alone. Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008.
 */
public final class VectorMatmul implements CpuMatmul {
    private static final int LANES = FloatVector.SPECIES_PREFERRED.length();
    static final boolean MANY_REGISTERS = FloatVector.SPECIES_PREFERRED.vectorBitSize() == 512
            || System.getProperty("os.arch", "").startsWith("aarch64");
    /** A tile: rows of A by columns of B. */
    private static final int ROWS = MANY_REGISTERS ? VectorTile8.ROWS : VectorTile6.ROWS;

    private static final int COLUMNS = 2 * LANES;
    /** A panel of B of this depth takes 32 KiB with 512-bit vectors and stays in the first-level cache. */
    private static final int DEPTH = 256;
    /** Tiles of A per block: about 200 KiB, which stays in the second-level cache. */
    private static final int BLOCK_TILES = 192 / ROWS;
    /** At most this much of B is packed at a time. */
    private static final int PACKED_B_FLOATS = 4 << 20;
    /** Below this many multiplications a second thread costs more than it brings. */
    private static final long WORTH_SHARING = 1 << 17;
    /**
     * From this many columns on, packing A pays for itself. With few registers it always does: there the addresses of
     * six rows would be spilled.
     */
    private static final int WORTH_PACKING = MANY_REGISTERS ? 12 * COLUMNS : 0;

    private static final float[] ZEROS = new float[COLUMNS];

    private final CpuThreads threads;
    private final Scratch[] scratch;

    /** Packed B of the product at hand (worker 0's serves shared products), packed A, and one tile for the edges. */
    private static final class Scratch {
        private float[] b = new float[0];
        private float[] a = new float[0];
        private final float[] tile = new float[ROWS * COLUMNS];

        void reserveB(int floats) {
            if (b.length < floats + VectorPacking.SLACK) {
                b = new float[floats + VectorPacking.SLACK];
            }
        }

        void reserveA(int floats) {
            if (a.length < floats + VectorPacking.SLACK) {
                a = new float[floats + VectorPacking.SLACK];
            }
        }
    }

    /** Columns [column, column + width) of the product, and the packed part of B that belongs to them. */
    private record Strip(MatmulCall call, int column, int width, float[] b) {
        int panels() {
            return ceil(width, COLUMNS);
        }

        int blocks() {
            return Math.max(1, ceil(call.k(), DEPTH));
        }

        int depth(int block) {
            return Math.min(DEPTH, call.k() - block * DEPTH);
        }

        /** Where panel {@code panel} of k block {@code block} starts in b. */
        int at(int block, int panel) {
            return COLUMNS * (block * DEPTH * panels() + panel * depth(block));
        }
    }

    public VectorMatmul(CpuThreads threads) {
        this.threads = threads;
        scratch = new Scratch[threads.threads()];
        for (int i = 0; i < scratch.length; i++) {
            scratch[i] = new Scratch();
        }
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
        int perColumn = Math.max(1, call.k());
        int stripWidth = Math.max(1, PACKED_B_FLOATS / perColumn / COLUMNS) * COLUMNS;
        for (int column = 0; column < call.n(); column += stripWidth) {
            int width = Math.min(stripWidth, call.n() - column);
            home.reserveB(ceil(width, COLUMNS) * COLUMNS * perColumn);
            Strip strip = new Strip(call, column, width, home.b);
            int parts = strip.panels() * strip.blocks();
            int tiles = ceil(call.m(), ROWS);
            if (shared) {
                threads.ranges(parts, (worker, from, to) -> packB(strip, from, to));
                share(strip, tiles);
            } else {
                packB(strip, 0, parts);
                rectangle(strip, 0, tiles, 0, strip.panels(), home);
            }
        }
    }

    private static void packB(Strip strip, int from, int to) {
        int panels = strip.panels();
        for (int part = from; part < to; part++) {
            int block = part / panels;
            int panel = part % panels;
            int used = Math.min(COLUMNS, strip.width() - panel * COLUMNS);
            VectorPacking.columnsOfB(
                    strip.call().b(),
                    strip.column() + panel * COLUMNS,
                    used,
                    block * DEPTH,
                    strip.depth(block),
                    strip.b(),
                    strip.at(block, panel),
                    COLUMNS);
        }
    }

    /** Lays a grid of as many rectangles as there are threads over the tiles, the one whose largest is smallest. */
    private void share(Strip strip, int tiles) {
        int workers = threads.threads();
        int panels = strip.panels();
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
            for (int part = from; part < to; part++) {
                int row = part / across;
                int column = part % across;
                rectangle(
                        strip,
                        tiles * row / gridRows,
                        tiles * (row + 1) / gridRows,
                        panels * column / across,
                        panels * (column + 1) / across,
                        scratch[worker]);
            }
        });
    }

    private static void rectangle(Strip strip, int tile0, int tile1, int panel0, int panel1, Scratch scratch) {
        boolean inPlace = !strip.call().a().transposed() && (panel1 - panel0) * COLUMNS < WORTH_PACKING;
        scratch.reserveA((inPlace ? 1 : BLOCK_TILES)
                * ROWS
                * Math.min(DEPTH, strip.call().k()));
        for (int tile = tile0; tile < tile1; tile += BLOCK_TILES) {
            int end = Math.min(tile1, tile + BLOCK_TILES);
            for (int block = 0; block < strip.blocks(); block++) {
                if (inPlace) {
                    inPlace(strip, block, tile, end, panel0, panel1, scratch);
                } else {
                    packed(strip, block, tile, end, panel0, panel1, scratch);
                }
            }
        }
    }

    private static void packed(Strip strip, int block, int tile0, int tile1, int panel0, int panel1, Scratch scratch) {
        MatmulCall call = strip.call();
        int depth = strip.depth(block);
        for (int tile = tile0; tile < tile1; tile++) {
            int used = Math.min(ROWS, call.m() - tile * ROWS);
            int at = (tile - tile0) * ROWS * depth;
            VectorPacking.rowsOfA(call.a(), tile * ROWS, used, block * DEPTH, depth, scratch.a, at, ROWS);
        }
        for (int panel = panel0; panel < panel1; panel++) {
            for (int tile = tile0; tile < tile1; tile++) {
                tile(strip, block, tile, panel, scratch, (tile - tile0) * ROWS * depth);
            }
        }
    }

    private static void inPlace(Strip strip, int block, int tile0, int tile1, int panel0, int panel1, Scratch scratch) {
        MatmulCall call = strip.call();
        int whole = Math.min(tile1, call.m() / ROWS);
        for (int panel = panel0; panel < panel1; panel++) {
            for (int tile = tile0; tile < whole; tile++) {
                tile(strip, block, tile, panel, scratch, -1);
            }
        }
        if (whole < tile1) {
            packed(strip, block, whole, tile1, panel0, panel1, scratch);
        }
    }

    /** One tile of C over one block of k; A at {@code packedA} in the scratch, or in place where that is negative. */
    private static void tile(Strip strip, int block, int tile, int panel, Scratch scratch, int packedA) {
        MatmulCall call = strip.call();
        int row = tile * ROWS;
        int column = strip.column() + panel * COLUMNS;
        int rows = Math.min(ROWS, call.m() - row);
        int columns = Math.min(COLUMNS, call.n() - column);
        float[] c = call.c().values();
        int cAt = call.c().index(row, column);
        int cStride = call.c().rowStride();
        float[] add = ZEROS;
        int addAt = 0;
        int addStride = 0;
        if (block > 0 || call.accumulate()) {
            add = c;
            addAt = cAt;
            addStride = cStride;
        } else if (call.bias() != null) {
            add = call.bias();
            addAt = call.biasOffset() + column;
        }
        if (rows == ROWS && columns == COLUMNS) {
            kernel(strip, block, row, panel, scratch, packedA, add, addAt, addStride, c, cAt, cStride);
            return;
        }
        float[] edge = scratch.tile;
        Arrays.fill(edge, 0f);
        for (int i = 0; i < rows; i++) {
            System.arraycopy(add, addAt + i * addStride, edge, i * COLUMNS, columns);
        }
        kernel(strip, block, row, panel, scratch, packedA, edge, 0, COLUMNS, edge, 0, COLUMNS);
        for (int i = 0; i < rows; i++) {
            System.arraycopy(edge, i * COLUMNS, c, cAt + i * cStride, columns);
        }
    }

    private static void kernel(
            Strip strip,
            int block,
            int row,
            int panel,
            Scratch scratch,
            int packedA,
            float[] add,
            int addAt,
            int addStride,
            float[] c,
            int cAt,
            int cStride) {
        float[] b = strip.b();
        int bAt = strip.at(block, panel);
        int depth = strip.depth(block);
        float alpha = strip.call().alpha();
        if (packedA >= 0) {
            float[] a = scratch.a;
            if (MANY_REGISTERS) {
                VectorTile8.packed(a, packedA, b, bAt, depth, alpha, add, addAt, addStride, c, cAt, cStride);
            } else {
                VectorTile6.packed(a, packedA, b, bAt, depth, alpha, add, addAt, addStride, c, cAt, cStride);
            }
            return;
        }
        MatrixView a = strip.call().a();
        int aAt = a.index(row, block * DEPTH);
        VectorTile8.direct(
                a.values(), aAt, a.rowStride(), b, bAt, depth, alpha, add, addAt, addStride, c, cAt, cStride);
    }

    private static int ceil(int amount, int unit) {
        return (amount + unit - 1) / unit;
    }

    @Override
    public String describe() {
        return "Vector API, fp32, " + LANES * Float.SIZE + "-bit, " + threads.threads() + " threads";
    }
}
