package dev.kindling.device.cuda;

import dev.kindling.device.Fp8Matmul;
import dev.kindling.device.Fp8Ops;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.library.CublasLt;
import dev.kindling.tensor.Tensor;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * Products of FP8 matrices through cublasLt. It sees matrices by columns: our c = a b^T is its D = A^T B, where A is our b
 * and B our a, which are stored as it wants them.
 */
final class CudaFp8Matmul implements AutoCloseable {
    private static final long WORKSPACE_BYTES = 32L << 20;
    // cudaDataType
    private static final int F32 = 0;
    private static final int BF16 = 14;
    private static final int E4M3 = 28;
    private static final int E5M2 = 29;

    private final CudaContext context;
    private final CublasLt library;
    private final CudaMemory.Allocation workspace;
    private final Map<CublasLt.Problem, CublasLt.Plan> plans = new HashMap<>();

    CudaFp8Matmul(CudaContext context) {
        this.context = context;
        context.bind();
        library = new CublasLt();
        workspace = context.memory().allocate("cublasLt workspace", WORKSPACE_BYTES);
    }

    void run(Fp8Matmul op) {
        Tensor a = op.a().values();
        Tensor b = op.b().values();
        Tensor c = op.c();
        TensorChecks.dense(c, op.bias());
        requireRows(a);
        requireRows(b);
        TensorChecks.type(c.dtype(), op.bias());
        CublasLt.Problem problem = new CublasLt.Problem(
                c.size(1),
                c.size(0),
                a.size(1),
                new CublasLt.Operand(type(b), true, true, b.stride(0)),
                new CublasLt.Operand(type(a), false, true, a.stride(0)),
                type(c),
                op.accumulate(),
                op.bias() != null,
                op.fast());
        CublasLt.Addresses addresses = new CublasLt.Addresses(
                CudaContext.aligned(b),
                CudaContext.aligned(op.b().inverseScale()),
                CudaContext.aligned(a),
                CudaContext.aligned(op.a().inverseScale()),
                CudaContext.aligned(c),
                CudaContext.aligned(op.bias()));
        context.bind();
        plans.computeIfAbsent(problem, p -> library.plan(p, WORKSPACE_BYTES))
                .run(addresses, workspace.address().value(), WORKSPACE_BYTES, context.streamHandle());
    }

    /** Dense, or some columns of a dense matrix. */
    private static void requireRows(Tensor x) {
        if (x.stride(1) != 1 || x.stride(0) % Fp8Ops.MULTIPLE != 0) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "the rows of %s are not contiguous, or not multiples of %d apart",
                    x,
                    Fp8Ops.MULTIPLE));
        }
    }

    private static int type(Tensor x) {
        return switch (x.dtype()) {
            case F32 -> F32;
            case BF16 -> BF16;
            case E4M3 -> E4M3;
            case E5M2 -> E5M2;
            default -> throw new IllegalArgumentException("cannot multiply " + x + " in FP8");
        };
    }

    @Override
    public void close() {
        library.close();
        context.memory().free(workspace);
    }
}
