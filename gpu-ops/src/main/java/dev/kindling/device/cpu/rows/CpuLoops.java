package dev.kindling.device.cpu.rows;

import dev.kindling.device.Ops;

/**
 * How ops divide their loops among threads. The result of an item must not depend on which other items the same thread
 * computes, so that results are the same for every number of threads; sums over items go through {@link ColumnSums} or
 * fixed blocks.
 */
public record CpuLoops(CpuThreads threads, RowKernels kernels) {
    /** With fewer floats than this, a second thread costs more than it saves. */
    private static final long WORTH_SHARING = 1 << 13;
    /** A flat range is cut into blocks of this many floats, the same whatever the number of threads. */
    public static final int BLOCK = Ops.BLOCK;

    /** Divides rows of {@code width} floats each among the threads. */
    public void rows(int rows, long width, CpuThreads.RangeBody body) {
        if (rows * width < WORTH_SHARING) {
            if (rows > 0) {
                body.run(0, 0, rows);
            }
        } else {
            threads.ranges(rows, body);
        }
    }

    /** Part of a flat range. */
    @FunctionalInterface
    public interface FlatBody {
        void run(int at, int count);
    }

    /** Divides [0, count) among the threads in blocks of {@link #BLOCK}. */
    public void flat(int count, FlatBody body) {
        int blocks = blocks(count);
        rows(blocks, BLOCK, (worker, from, to) -> {
            for (int block = from; block < to; block++) {
                int at = block * BLOCK;
                body.run(at, Math.min(BLOCK, count - at));
            }
        });
    }

    public static int blocks(int count) {
        return (int) (((long) count + BLOCK - 1) / BLOCK);
    }
}
