package dev.kindling.device.cpu.matmul;

import dev.kindling.device.cpu.rows.CpuThreads;
import java.util.Optional;
import org.bytedeco.dnnl.global.dnnl;

/**
 * Matrix products by oneDNN's sgemm, fp32. oneDNN reads native memory, so parts of A and B are copied there and C back, a
 * piece at a time while it is in the second-level cache. The pieces depend on the shape alone, so the number of threads
 * does not change a bit. What the copies would cost more than they save goes to the engine given: batches of small
 * matrices, and products with few rows, as in generation.
 *
 * <p>Owns native memory; close it. Calls from several threads take turns.
 */
public final class OneDnnMatmul implements CpuMatmul {
    /** With fewer rows than this the copy of B costs more than the product. */
    private static final int WORTH_COPYING = 8;

    private final CpuThreads threads;
    private final CpuMatmul small;
    private final Staging[] staging;

    /** B's part of the product at hand, and A's where it is transposed: every chunk reads of every stored row. */
    private final FloatMemory sharedB = new FloatMemory();

    private final FloatMemory sharedA = new FloatMemory();

    /** One worker's rows of A, and its products. */
    private record Staging(FloatMemory a, FloatMemory c) {}

    /** Why oneDNN cannot be used here and what to do about it; empty if it can. */
    public static Optional<String> whyNot() {
        return OneDnnLibrary.whyNot();
    }

    /**
     * Takes over {@code small}. Throws {@link IllegalStateException} with {@link #whyNot} where that is not empty.
     */
    public OneDnnMatmul(CpuThreads threads, CpuMatmul small) {
        whyNot().ifPresent(reason -> {
            throw new IllegalStateException("oneDNN was asked for but cannot run: " + reason);
        });
        this.threads = threads;
        this.small = small;
        staging = new Staging[threads.threads()];
        for (int i = 0; i < staging.length; i++) {
            staging[i] = new Staging(new FloatMemory(), new FloatMemory());
        }
    }

    @Override
    public void multiply(MatmulCall call, MatmulBatch batch) {
        small.multiply(call, batch);
    }

    @Override
    public synchronized void multiply(MatmulCall call) {
        if (call.m() < WORTH_COPYING || call.isEmpty() || call.k() == 0) {
            small.multiply(call);
            return;
        }
        for (SgemmPart part : SgemmPart.of(call)) {
            sharedB.reserve(part.width() * part.depth());
            if (call.a().transposed()) {
                sharedA.reserve(Math.multiplyExact(part.depth(), call.m()));
            }
            threads.ranges(SgemmPart.COPY_UNITS, (worker, from, to) -> part.copyShared(sharedA, sharedB, from, to));
            threads.ranges(part.chunks(), (worker, from, to) -> {
                for (int chunk = from; chunk < to; chunk++) {
                    run(part, chunk, staging[worker]);
                }
            });
        }
    }

    private void run(SgemmPart part, int chunk, Staging own) {
        MatmulCall call = part.call();
        int row = part.row(chunk);
        int rows = part.rows(chunk);
        int column = part.column(chunk);
        int columns = part.columns(chunk);
        boolean transposeA = call.a().transposed();
        boolean transposeB = call.b().transposed();
        if (!transposeA) {
            own.a.reserve(rows * part.depth());
            part.copyA(own.a, row, rows);
        }
        own.c.reserve(rows * columns);
        OneDnnLibrary.keepToThisThread();
        int status = dnnl.dnnl_sgemm(
                (byte) (transposeA ? 'T' : 'N'),
                (byte) (transposeB ? 'T' : 'N'),
                rows,
                columns,
                part.depth(),
                1f,
                transposeA ? sharedA.pointer(row) : own.a.pointer(0),
                transposeA ? call.m() : part.depth(),
                sharedB.pointer(transposeB ? column * part.depth() : column),
                transposeB ? part.depth() : part.width(),
                0f,
                own.c.pointer(0),
                columns);
        if (status != dnnl.dnnl_success) {
            throw new IllegalStateException("oneDNN's sgemm of " + rows + " x " + columns + " x " + part.depth()
                    + " failed with status " + status);
        }
        part.finish(own.c, chunk);
    }

    @Override
    public String describe() {
        return "oneDNN, fp32, " + threads.threads() + " threads; few rows and small batches: " + small.describe();
    }

    /** Frees the native memory. */
    @Override
    public synchronized void close() {
        sharedA.close();
        sharedB.close();
        for (Staging own : staging) {
            own.a.close();
            own.c.close();
        }
        small.close();
    }
}
