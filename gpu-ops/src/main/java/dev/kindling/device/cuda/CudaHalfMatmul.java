package dev.kindling.device.cuda;

import dev.kindling.device.Matmul;
import dev.kindling.device.cuda.library.CublasLt;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;

/**
 * Products of half precision through cublasLt, which adds a bias while it writes the result. It sees matrices by columns: our
 * c = a b + bias is its c^T = b^T a^T, to each column of which it adds the bias.
 */
final class CudaHalfMatmul implements AutoCloseable {
    // cudaDataType
    private static final int F32 = 0;
    private static final int F16 = 2;
    private static final int BF16 = 14;
    private static final int MULTIPLE = 8;

    private final CudaContext context;
    private final CudaMemory.Allocation workspace;
    private final CublasLt library;
    private final Map<CublasLt.Problem, CublasLt.Plan> plans = new HashMap<>();

    /** @param workspace of products on the context's stream */
    CudaHalfMatmul(CudaContext context, CudaMemory.Allocation workspace) {
        this.context = context;
        this.workspace = workspace;
        context.bind();
        library = new CublasLt();
    }

    /**
     * Does it take this product? One without scale, of dense matrices (a and b may be transposes of some) that start at
     * multiples of 16 bytes, all extents multiples of 8; a and b of one half-precision type, c of that or F32, a bias of c's.
     */
    static boolean takes(Matmul op) {
        DType type = op.a().dtype();
        return (type == DType.BF16 || type == DType.F16)
                && op.alpha() == 1
                && op.c().shape().rank() == 2
                && op.c().isDense()
                && isAligned(op.c())
                && fits(op.a())
                && fits(op.b())
                && (op.bias() == null || (op.bias().dtype() == op.c().dtype() && isAligned(op.bias())));
    }

    private static boolean fits(Tensor x) {
        return (x.isDense() || x.transpose(0, 1).isDense())
                && x.size(0) % MULTIPLE == 0
                && x.size(1) % MULTIPLE == 0
                && isAligned(x);
    }

    private static boolean isAligned(Tensor x) {
        return CudaBuffer.address(x) % 16 == 0;
    }

    void run(Matmul op) {
        CublasLt.Problem problem = new CublasLt.Problem(
                op.c().size(1),
                op.c().size(0),
                op.a().size(1),
                operand(op.b()),
                operand(op.a()),
                type(op.c()),
                op.accumulate(),
                op.bias() != null,
                false);
        CublasLt.Addresses addresses = new CublasLt.Addresses(
                CudaBuffer.address(op.b()),
                0,
                CudaBuffer.address(op.a()),
                0,
                CudaBuffer.address(op.c()),
                CudaBuffer.address(op.bias()));
        context.bind();
        plans.computeIfAbsent(problem, p -> library.plan(p, workspace.bytes()))
                .run(addresses, workspace.address().value(), workspace.bytes(), context.streamHandle());
    }

    private static CublasLt.Operand operand(Tensor x) {
        return new CublasLt.Operand(type(x), !x.isDense(), false, 0);
    }

    private static int type(Tensor x) {
        return switch (x.dtype()) {
            case BF16 -> BF16;
            case F16 -> F16;
            case F32 -> F32;
            default -> throw new IllegalArgumentException("cannot multiply " + x);
        };
    }

    @Override
    public void close() {
        library.close();
    }
}
