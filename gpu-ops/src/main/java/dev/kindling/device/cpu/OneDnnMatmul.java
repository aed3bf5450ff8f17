package dev.kindling.device.cpu;

import java.nio.FloatBuffer;
import java.nio.ShortBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.dnnl.engine;
import org.bytedeco.dnnl.stream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.ShortPointer;

/**
 * Matrix products by oneDNN with A and B rounded to bf16 and fp32 sums, for precision bf16. The rounding is the copy into
 * native memory. Batches of small matrices go to the fp32 engine given: copying them costs more than bf16 saves.
 *
 * <p>Owns native memory; close it. Calls from several threads take turns.
 */
public final class OneDnnMatmul implements CpuMatmul, AutoCloseable {
    /** Shapes kept prepared. A training step needs about 15. */
    private static final int PREPARED_SHAPES = 64;

    private final CpuThreads threads;
    private final CpuMatmul small;
    private final engine cpu;
    private final stream[] streams;
    private final float[][] rows;
    private final Map<OneDnnProduct.Shape, OneDnnProduct> prepared = new LinkedHashMap<>(16, 0.75f, true);
    private ShortPointer a = new ShortPointer();
    private ShortPointer b = new ShortPointer();
    private FloatPointer c = new FloatPointer();
    private ShortBuffer aBuffer = ShortBuffer.allocate(0);
    private ShortBuffer bBuffer = ShortBuffer.allocate(0);
    private FloatBuffer cBuffer = FloatBuffer.allocate(0);

    /** Why bf16 products cannot run here and what to do about it; empty if they can. */
    public static Optional<String> whyNot() {
        return OneDnnLibrary.whyNot();
    }

    /** Throws {@link IllegalStateException} with {@link #whyNot} where that is not empty. */
    public OneDnnMatmul(CpuThreads threads, CpuMatmul small) {
        whyNot().ifPresent(reason -> {
            throw new IllegalStateException("oneDNN was asked for but cannot run: " + reason);
        });
        this.threads = threads;
        this.small = small;
        cpu = new engine(engine.kind.cpu, 0);
        streams = new stream[threads.threads()];
        rows = new float[threads.threads()][0];
        for (int i = 0; i < streams.length; i++) {
            streams[i] = new stream(cpu);
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
        OneDnnProduct.Shape shape = new OneDnnProduct.Shape(
                call.m(), call.n(), call.k(), call.a().transposed(), call.b().transposed());
        OneDnnProduct product = prepared.computeIfAbsent(shape, missing -> new OneDnnProduct(missing, cpu));
        dropOldest();
        reserve(call);
        convert(call);
        product.bind(a, b, c);
        product.prepareB(streams[0]);
        threads.ranges(shape.chunks(), (worker, from, to) -> {
            for (int chunk = from; chunk < to; chunk++) {
                product.run(chunk, streams[worker]);
                int first = chunk * shape.chunkRows();
                finish(call, worker, first, Math.min(call.m(), first + shape.chunkRows()));
            }
        });
    }

    private void dropOldest() {
        if (prepared.size() > PREPARED_SHAPES) {
            OneDnnProduct.Shape oldest = prepared.keySet().iterator().next();
            prepared.remove(oldest).close();
        }
    }

    private void reserve(MatmulCall call) {
        int aCount = Math.multiplyExact(call.m(), call.k());
        if (aBuffer.capacity() < aCount) {
            a.close();
            a = new ShortPointer(aCount);
            aBuffer = a.asBuffer();
        }
        int bCount = Math.multiplyExact(call.k(), call.n());
        if (bBuffer.capacity() < bCount) {
            b.close();
            b = new ShortPointer(bCount);
            bBuffer = b.asBuffer();
        }
        int cCount = Math.multiplyExact(call.m(), call.n());
        if (cBuffer.capacity() < cCount) {
            c.close();
            c = new FloatPointer(cCount);
            cBuffer = c.asBuffer();
        }
    }

    private void convert(MatmulCall call) {
        boolean transposeA = call.a().transposed();
        boolean transposeB = call.b().transposed();
        int aRows = transposeA ? call.k() : call.m();
        int aColumns = transposeA ? call.m() : call.k();
        int bRows = transposeB ? call.n() : call.k();
        int bColumns = transposeB ? call.k() : call.n();
        threads.ranges(aRows, (worker, from, to) -> Bf16Rows.copy(call.a(), aColumns, from, to, aBuffer));
        threads.ranges(bRows, (worker, from, to) -> Bf16Rows.copy(call.b(), bColumns, from, to, bBuffer));
    }

    /** Copies rows of C out of native memory, with alpha and the addend. */
    private void finish(MatmulCall call, int worker, int from, int to) {
        int n = call.n();
        float[] target = call.c().values();
        boolean plain = call.alpha() == 1f && !call.accumulate() && call.bias() == null;
        if (!plain && rows[worker].length < n) {
            rows[worker] = new float[n];
        }
        for (int row = from; row < to; row++) {
            int at = call.c().index(row, 0);
            if (plain) {
                cBuffer.get(row * n, target, at, n);
                continue;
            }
            float[] products = rows[worker];
            cBuffer.get(row * n, products, 0, n);
            addRow(call, products, target, at);
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
        prepared.values().forEach(OneDnnProduct::close);
        prepared.clear();
        a.close();
        b.close();
        c.close();
        for (stream stream : streams) {
            stream.close();
        }
        cpu.close();
    }
}
