package dev.kindling.device.cpu.matmul;

/**
 * Dense matrix products on heap arrays. The shape alone fixes the order of every sum, so results do not depend on the
 * number of threads. An instance reuses its scratch memory; calls from several threads take turns.
 */
public interface CpuMatmul extends AutoCloseable {
    /** Runs one product, divided among the threads. C is overwritten or accumulated into, as the call says. */
    void multiply(MatmulCall call);

    /** Runs many small products, one thread each, at the places that the batch gives. */
    void multiply(MatmulCall call, MatmulBatch batch);

    /** For logs and reports: the implementation and its arithmetic. */
    String describe();

    /** Frees what the garbage collector does not. */
    @Override
    void close();
}
