package dev.kindling.device.cpu.rows;

/** One row of floats per worker, kept between calls. */
public final class CpuRowScratch {
    private final float[][] rows;

    public CpuRowScratch(CpuThreads threads) {
        rows = new float[threads.threads()][0];
    }

    /** At least {@code count} floats of unspecified content. */
    public float[] row(int worker, int count) {
        if (rows[worker].length < count) {
            rows[worker] = new float[count];
        }
        return rows[worker];
    }
}
