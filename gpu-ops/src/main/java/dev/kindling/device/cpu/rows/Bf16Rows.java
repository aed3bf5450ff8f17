package dev.kindling.device.cpu.rows;

import java.nio.ShortBuffer;

/**
 * Converts floats on the heap to bf16 in buffers and back, with the fastest loops that this JVM can run. Thread-safe.
 */
public final class Bf16Rows {
    private static final int STAGED = 8192;
    private static final RowKernels KERNELS = CpuVectors.rows();

    private Bf16Rows() {}

    /** One float as bf16. */
    public static short of(float value) {
        short[] rounded = new short[1];
        KERNELS.toBf16(new float[] {value}, 0, rounded, 0, 1);
        return rounded[0];
    }

    /** Writes {@code count} floats as bf16, rounded to nearest even. Infinities and quiet NaNs stay what they are. */
    public static void put(float[] from, int at, int count, ShortBuffer to) {
        put(from, at, count, to, new short[Math.min(STAGED, count)]);
    }

    private static void put(float[] from, int at, int count, ShortBuffer to, short[] staging) {
        for (int done = 0; done < count; done += staging.length) {
            int n = Math.min(staging.length, count - done);
            KERNELS.toBf16(from, at + done, staging, 0, n);
            to.put(staging, 0, n);
        }
    }

    /** Reads {@code count} bf16 values as floats. */
    public static void get(ShortBuffer from, float[] to, int at, int count) {
        short[] staging = new short[Math.min(STAGED, count)];
        for (int done = 0; done < count; done += staging.length) {
            int n = Math.min(staging.length, count - done);
            from.get(staging, 0, n);
            KERNELS.fromBf16(staging, 0, to, at + done, n);
        }
    }

    /** As {@link dev.kindling.device.Ops#roundToBf16}, on the calling thread alone. */
    public static void round(float[] x, int at, float[] residual, int residualAt, int count) {
        KERNELS.roundToBf16(x, at, residual, residualAt, count);
    }

    /**
     * Writes rows as bf16, without gaps, to {@code target} from position {@code to} on.
     *
     * @param at where the first row starts in {@code from}
     * @param stride from the start of one row to that of the next
     */
    public static void putRows(float[] from, int at, int stride, int rows, int columns, ShortBuffer target, int to) {
        short[] staging = new short[Math.min(STAGED, columns)];
        ShortBuffer own = target.duplicate().position(to);
        for (int row = 0; row < rows; row++) {
            put(from, at + row * stride, columns, own, staging);
        }
    }
}
