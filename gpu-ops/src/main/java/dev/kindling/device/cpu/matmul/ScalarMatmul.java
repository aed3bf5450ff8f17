package dev.kindling.device.cpu.matmul;

import dev.kindling.device.cpu.rows.CpuThreads;
import java.util.Arrays;

/** Matrix products in plain Java, for JVMs that run without the Vector API. fp32 sums, in the order of k. */
public final class ScalarMatmul implements CpuMatmul {
    private final CpuThreads threads;
    /** One row of B^T products or of C per worker. */
    private final float[][] rows;

    public ScalarMatmul(CpuThreads threads) {
        this.threads = threads;
        this.rows = new float[threads.threads()][0];
    }

    @Override
    public synchronized void multiply(MatmulCall call) {
        if (call.isEmpty()) {
            return;
        }
        threads.ranges(call.m(), (worker, from, to) -> rows(call, worker, from, to));
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
                rows(one, worker, 0, one.m());
            }
        });
    }

    private void rows(MatmulCall call, int worker, int from, int to) {
        if (rows[worker].length < call.n()) {
            rows[worker] = new float[call.n()];
        }
        float[] sums = rows[worker];
        for (int i = from; i < to; i++) {
            if (call.b().transposed()) {
                dotRow(call, i, sums);
            } else {
                axpyRow(call, i, sums);
            }
            finishRow(call, i, sums);
        }
    }

    /** B is stored k-major: add multiples of its rows, which the compiler can vectorise. */
    private static void axpyRow(MatmulCall call, int i, float[] sums) {
        int n = call.n();
        float[] a = call.a().values();
        float[] b = call.b().values();
        Arrays.fill(sums, 0, n, 0f);
        for (int p = 0; p < call.k(); p++) {
            float factor = a[call.a().index(i, p)];
            int row = call.b().index(p, 0);
            for (int j = 0; j < n; j++) {
                sums[j] += factor * b[row + j];
            }
        }
    }

    /** B is stored n-major: every element is a dot product of contiguous memory. */
    private static void dotRow(MatmulCall call, int i, float[] sums) {
        float[] a = call.a().values();
        float[] b = call.b().values();
        int step = call.a().transposed() ? call.a().rowStride() : 1;
        int start = call.a().index(i, 0);
        for (int j = 0; j < call.n(); j++) {
            int row = call.b().index(0, j);
            float sum = 0f;
            for (int p = 0, at = start; p < call.k(); p++, at += step) {
                sum += a[at] * b[row + p];
            }
            sums[j] = sum;
        }
    }

    private static void finishRow(MatmulCall call, int i, float[] sums) {
        float[] c = call.c().values();
        int row = call.c().index(i, 0);
        for (int j = 0; j < call.n(); j++) {
            float addend =
                    call.accumulate() ? c[row + j] : call.bias() != null ? call.bias()[call.biasOffset() + j] : 0f;
            c[row + j] = call.alpha() * sums[j] + addend;
        }
    }

    @Override
    public String describe() {
        return "plain Java, fp32, " + threads.threads() + " threads";
    }

    @Override
    public void close() {}
}
