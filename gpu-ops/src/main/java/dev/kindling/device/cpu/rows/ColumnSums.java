package dev.kindling.device.cpu.rows;

import java.util.Arrays;

/**
 * Sums over rows in a fixed order: rows are divided into blocks, whose size depends only on the number of rows; each
 * block is summed in order, and the blocks are added in order. Reuses its scratch memory.
 */
public final class ColumnSums {
    private static final int MOST_BLOCKS = 64;
    private static final int LEAST_ROWS = 32;

    private final CpuLoops loops;
    private float[] partial = new float[0];
    private int width;
    private int blocks;

    /** Rows {@code from .. to-1}; sums go to {@code sums[at + column]}, which starts at 0. */
    @FunctionalInterface
    public interface Body {
        public void run(int worker, int from, int to, float[] sums, int at);
    }

    public ColumnSums(CpuLoops loops) {
        this.loops = loops;
    }

    /**
     * Runs {@code body} over all rows.
     *
     * @param sums how many columns are summed
     * @param cost floats touched per row
     */
    public void run(int rows, int sums, long cost, Body body) {
        width = sums;
        int perBlock = Math.max(LEAST_ROWS, (rows + MOST_BLOCKS - 1) / MOST_BLOCKS);
        blocks = (rows + perBlock - 1) / perBlock;
        if (partial.length < blocks * sums) {
            partial = new float[blocks * sums];
        }
        float[] scratch = partial;
        loops.rows(blocks, perBlock * cost, (worker, from, to) -> {
            for (int block = from; block < to; block++) {
                int at = block * sums;
                Arrays.fill(scratch, at, at + sums, 0f);
                body.run(worker, block * perBlock, Math.min(rows, (block + 1) * perBlock), scratch, at);
            }
        });
    }

    /** into[at ..] += sums of {@code count} columns from {@code column} of the last run. */
    public void addTo(int column, int count, float[] into, int at) {
        for (int block = 0; block < blocks; block++) {
            loops.kernels().add(partial, block * width + column, into, at, count);
        }
    }
}
