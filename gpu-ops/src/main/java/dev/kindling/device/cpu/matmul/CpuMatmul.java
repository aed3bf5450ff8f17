package dev.kindling.device.cpu.matmul;

import dev.kindling.device.cpu.rows.CpuThreads;
import dev.kindling.device.cpu.rows.CpuVectors;

/**
 * Dense matrix products on heap arrays. The order of every sum is fixed by the shape, so results do not depend on the
 * number of threads. An instance reuses its scratch memory: calls from several threads take turns.
 */
public interface CpuMatmul {
    /** The fastest fp32 products that this JVM can run. */
    static CpuMatmul fastest(CpuThreads threads) {
        return CpuVectors.whyNot().isPresent() ? new ScalarMatmul(threads) : new VectorMatmul(threads);
    }

    /** Runs one product, spread over the threads. C is overwritten or accumulated into, as the call says. */
    void multiply(MatmulCall call);

    /** Runs the product at each place that the batch names, each by one thread; for many small matrices. */
    void multiply(MatmulCall call, MatmulBatch batch);

    /** For logs and reports: the implementation and its arithmetic. */
    String describe();
}
