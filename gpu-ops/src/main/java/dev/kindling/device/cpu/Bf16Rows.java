package dev.kindling.device.cpu;

import java.nio.ShortBuffer;

/** Floats on the heap to bf16 in buffers and back, with the fastest loops that this JVM can run. Thread-safe. */
public final class Bf16Rows {
    private static final int STAGED = 8192;
    private static final RowKernels KERNELS = CpuVectors.kernels().rows();

    private Bf16Rows() {}

    /** Puts count floats as bf16, rounded to nearest even. An infinity or a quiet NaN stays one. */
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

    /** Takes count values. */
    public static void get(ShortBuffer from, float[] to, int at, int count) {
        short[] staging = new short[Math.min(STAGED, count)];
        for (int done = 0; done < count; done += staging.length) {
            int n = Math.min(staging.length, count - done);
            from.get(staging, 0, n);
            KERNELS.fromBf16(staging, 0, to, at + done, n);
        }
    }

    /** As {@link dev.kindling.device.Ops#roundToBf16}, on the caller's thread alone. */
    public static void round(float[] x, int at, float[] residual, int residualAt, int count) {
        KERNELS.roundToBf16(x, at, residual, residualAt, count);
    }

    /** Stored rows [from, to) of {@code view}, each {@code columns} long, without gaps to {@code target} from {@code at}. */
    static void copy(MatrixView view, int columns, int from, int to, ShortBuffer target, int at) {
        short[] staging = new short[Math.min(STAGED, columns)];
        ShortBuffer own = target.duplicate().position(at);
        for (int row = from; row < to; row++) {
            put(view.values(), view.offset() + row * view.rowStride(), columns, own, staging);
        }
    }
}
