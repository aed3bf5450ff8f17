package dev.kindling.device.cpu;

/** One row of floats per worker, kept between calls. */
final class CpuRowScratch {
    private final float[][] rows;

    CpuRowScratch(CpuThreads threads) {
        rows = new float[threads.threads()][0];
    }

    /** At least {@code count} floats of unspecified content. */
    float[] row(int worker, int count) {
        if (rows[worker].length < count) {
            rows[worker] = new float[count];
        }
        return rows[worker];
    }
}
