package dev.kindling.device.cpu.matmul;

import dev.kindling.device.cpu.rows.Bf16Rows;
import dev.kindling.device.cpu.rows.CpuThreads;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.dnnl.engine;
import org.bytedeco.dnnl.stream;
import org.bytedeco.javacpp.FloatPointer;

/**
 * Matrix products by oneDNN with A and B rounded to bf16 and fp32 sums, for precision bf16. The rounding is the copy into
 * native memory. Batches of small matrices go to the fp32 engine given: copying them costs more than bf16 saves.
 *
 * <p>Owns native memory; close it. Calls from several threads take turns.
 */
public final class OneDnnBf16Matmul implements CpuMatmul {
    /** Shapes kept prepared. A training step needs about 15. */
    private static final int PREPARED_SHAPES = 64;

    private final CpuThreads threads;
    private final CpuMatmul small;
    private final engine cpu;
    private final Staging[] staging;
    private final Map<Bf16Product.Shape, Bf16Product> prepared = new LinkedHashMap<>(16, 0.75f, true);
    /** B, and A where it is transposed: a chunk of its product then reads a part of every stored row. */
    private final Bf16Memory sharedA = new Bf16Memory();

    private final Bf16Memory sharedB = new Bf16Memory();

    /** One worker's inputs and results of a chunk, small enough to stay in its second-level cache. */
    private static final class Staging implements AutoCloseable {
        private final stream queue;
        private final Bf16Memory a = new Bf16Memory();
        private FloatPointer c = new FloatPointer();
        private FloatBuffer cBuffer = FloatBuffer.allocate(0);
        private float[] row = new float[0];

        Staging(engine cpu) {
            queue = new stream(cpu);
        }

        void reserve(int aCount, int rows, int n) {
            a.reserve(aCount);
            if (cBuffer.capacity() < rows * n) {
                c.close();
                c = new FloatPointer((long) rows * n);
                cBuffer = c.asBuffer();
            }
            if (row.length < n) {
                row = new float[n];
            }
        }

        @Override
        public void close() {
            a.close();
            c.close();
            queue.close();
        }
    }

    /** Why bf16 products cannot run here and what to do about it; empty if they can. */
    public static Optional<String> whyNot() {
        return OneDnnLibrary.whyNotBf16();
    }

    /**
     * Takes over {@code small}. Throws {@link IllegalStateException} with {@link #whyNot} where that is not empty.
     */
    public OneDnnBf16Matmul(CpuThreads threads, CpuMatmul small) {
        whyNot().ifPresent(reason -> {
            throw new IllegalStateException("oneDNN was asked for but cannot run: " + reason);
        });
        this.threads = threads;
        this.small = small;
        cpu = new engine(engine.kind.cpu, 0);
        staging = new Staging[threads.threads()];
        for (int i = 0; i < staging.length; i++) {
            staging[i] = new Staging(cpu);
        }
    }

    @Override
    public void multiply(MatmulCall call, MatmulBatch batch) {
        small.multiply(call, batch);
    }

    @Override
    public synchronized void multiply(MatmulCall call) {
        if (call.isEmpty() || call.k() == 0) {
            small.multiply(call);
            return;
        }
        Bf16Product.Shape shape = new Bf16Product.Shape(
                call.m(), call.n(), call.k(), call.a().transposed(), call.b().transposed());
        Bf16Product product = prepared.computeIfAbsent(shape, missing -> new Bf16Product(missing, cpu));
        dropOldest();
        convertShared(call);
        product.prepareB(sharedB.pointer(), staging[0].queue);
        threads.ranges(shape.chunks(), (worker, from, to) -> {
            for (int chunk = from; chunk < to; chunk++) {
                run(call, product, chunk, staging[worker]);
            }
        });
    }

    private void dropOldest() {
        if (prepared.size() > PREPARED_SHAPES) {
            Bf16Product.Shape oldest = prepared.keySet().iterator().next();
            prepared.remove(oldest).close();
        }
    }

    /** Rounds what all chunks read. */
    private void convertShared(MatmulCall call) {
        boolean transposeA = call.a().transposed();
        boolean transposeB = call.b().transposed();
        int aRows = transposeA ? call.k() : 0;
        int bRows = transposeB ? call.n() : call.k();
        int bColumns = transposeB ? call.k() : call.n();
        ShortBuffer a = sharedA.reserve(Math.multiplyExact(aRows, call.m()));
        ShortBuffer b = sharedB.reserve(Math.multiplyExact(call.k(), call.n()));
        threads.ranges(bRows, (worker, from, to) -> {
            copyRows(call.b(), bColumns, from, to, b, from * bColumns);
            int first = (int) ((long) aRows * from / bRows);
            int end = (int) ((long) aRows * to / bRows);
            copyRows(call.a(), call.m(), first, end, a, first * call.m());
        });
    }

    /** A chunk from A to C while it is in the cache. */
    private void run(MatmulCall call, Bf16Product product, int chunk, Staging own) {
        int first = product.shape().firstRow(chunk);
        int end = Math.min(call.m(), first + product.shape().chunkRows());
        boolean shared = call.a().transposed();
        own.reserve(shared ? 0 : (end - first) * call.k(), end - first, call.n());
        if (!shared) {
            copyRows(call.a(), call.k(), first, end, own.a.buffer(), 0);
        }
        product.run(chunk, shared ? sharedA.pointer().getPointer(first) : own.a.pointer(), own.c, own.queue);
        finish(call, own, first, end);
    }

    /** Copies rows of C out of native memory, with alpha and the addend. */
    private static void finish(MatmulCall call, Staging own, int from, int to) {
        int n = call.n();
        float[] target = call.c().values();
        boolean plain = call.alpha() == 1f && !call.accumulate() && call.bias() == null;
        for (int row = from; row < to; row++) {
            int at = call.c().index(row, 0);
            if (plain) {
                own.cBuffer.get((row - from) * n, target, at, n);
            } else {
                own.cBuffer.get((row - from) * n, own.row, 0, n);
                addRow(call, own.row, target, at);
            }
        }
    }

    private static void addRow(MatmulCall call, float[] products, float[] target, int at) {
        float alpha = call.alpha();
        int n = call.n();
        if (call.accumulate()) {
            for (int j = 0; j < n; j++) {
                target[at + j] += alpha * products[j];
            }
        } else if (call.bias() != null) {
            float[] bias = call.bias();
            int biasAt = call.biasOffset();
            for (int j = 0; j < n; j++) {
                target[at + j] = alpha * products[j] + bias[biasAt + j];
            }
        } else {
            for (int j = 0; j < n; j++) {
                target[at + j] = alpha * products[j];
            }
        }
    }

    @Override
    public String describe() {
        return "oneDNN, bf16 inputs and fp32 sums, " + threads.threads() + " threads; small batches: "
                + small.describe();
    }

    /** Frees the native memory. */
    @Override
    public synchronized void close() {
        prepared.values().forEach(Bf16Product::close);
        prepared.clear();
        sharedA.close();
        sharedB.close();
        for (Staging own : staging) {
            own.close();
        }
        cpu.close();
        small.close();
    }

    /** Stored rows [from, to) of {@code view}, each {@code columns} long, as bf16 without gaps to {@code target}. */
    private static void copyRows(MatrixView view, int columns, int from, int to, ShortBuffer target, int at) {
        int first = view.offset() + from * view.rowStride();
        Bf16Rows.putRows(view.values(), first, view.rowStride(), to - from, columns, target, at);
    }
}
