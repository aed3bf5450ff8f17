package dev.kindling.device.cuda;

import dev.kindling.device.Matmul;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Locale;
import java.util.function.BiConsumer;
import jcuda.Pointer;
import jcuda.cudaDataType;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasGemmAlgo;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasMath;
import jcuda.jcublas.cublasOperation;
import jcuda.runtime.cudaStream_t;

/**
 * Matrix products through cuBLAS, with fp32 accumulation. cuBLAS reads matrices by columns, and what it takes for a matrix is
 * the transpose of ours: c = a b becomes c^T = b^T a^T, so b is its first operand. With a bias, c is filled with the bias and
 * the product is added to it, which rounds once. What {@link CudaHalfMatmul} takes, it makes.
 */
final class CudaMatmul implements AutoCloseable {
    private static final long WORKSPACE_BYTES = 32L << 20;

    private final CudaContext context;
    private final BiConsumer<Tensor, Tensor> copy;
    private final cublasHandle handle = new cublasHandle();
    private final CudaMemory.Allocation workspace;
    private final CudaHalfMatmul half;

    /** @param copy writes its first tensor into its second, see {@code Ops.copy} */
    CudaMatmul(CudaContext context, boolean tf32, BiConsumer<Tensor, Tensor> copy) {
        this.context = context;
        this.copy = copy;
        context.bind();
        CudaCall.checkCublas(JCublas2.cublasCreate(handle), "create a handle on %s", context.info());
        CudaCall.checkCublas(JCublas2.cublasSetStream(handle, new cudaStream_t(context.stream())), "set the stream");
        int math = tf32 ? cublasMath.CUBLAS_TF32_TENSOR_OP_MATH : cublasMath.CUBLAS_DEFAULT_MATH;
        CudaCall.checkCublas(JCublas2.cublasSetMathMode(handle, math), "set math mode %d", math);
        workspace = context.memory().allocate("cuBLAS workspace", WORKSPACE_BYTES);
        // After the stream: setting that resets the workspace. Captured graphs need a fixed one.
        CudaCall.checkCublas(
                JCublas2.cublasSetWorkspace(handle, workspace.address(), WORKSPACE_BYTES), "set the workspace");
        half = new CudaHalfMatmul(context, workspace);
    }

    void run(Matmul op) {
        checkTypes(op);
        if (op.c().count() == 0) {
            return;
        }
        if (CudaHalfMatmul.takes(op)) {
            half.run(op);
            return;
        }
        if (op.bias() != null) {
            copy.accept(op.bias().reshape(op.bias().count()).broadcast(op.c().shape()), op.c());
        }
        context.bind();
        Scalars scalars = new Scalars(op.alpha(), op.accumulate() || op.bias() != null ? 1 : 0);
        if (op.a().shape().rank() == 2) {
            product(op, scalars, StridedBatch.ONE);
            return;
        }
        int outer = op.c().size(0);
        int inner = op.c().size(1);
        if (collapses(op.a()) && collapses(op.b()) && collapses(op.c())) {
            int along = inner > 1 ? 1 : 0;
            product(op, scalars, new StridedBatch(outer * inner, along, 0, 0));
        } else {
            // Views of (B, T, H, D): one strided batch along the longer dimension for each index of the other.
            int along = inner >= outer ? 1 : 0;
            for (int i = 0; i < Math.min(inner, outer); i++) {
                product(op, scalars, new StridedBatch(Math.max(inner, outer), along, 1 - along, i));
            }
        }
    }

    /** Do the first two dimensions have one stride, so that they are one batch? */
    private static boolean collapses(Tensor x) {
        return x.size(0) == 1 || x.size(1) == 1 || x.stride(0) == x.size(1) * x.stride(1);
    }

    private record Scalars(Pointer alpha, Pointer beta) {
        Scalars(float alpha, float beta) {
            this(Pointer.to(new float[] {alpha}), Pointer.to(new float[] {beta}));
        }
    }

    /** {@code count} products along dimension {@code along}, at {@code index} of dimension {@code fixed}. */
    private record StridedBatch(int count, int along, int fixed, int index) {
        static final StridedBatch ONE = new StridedBatch(1, -1, 0, 0);

        Pointer pointer(Tensor x) {
            long offset = index == 0 ? 0 : index * x.stride(fixed) * x.dtype().bytes();
            return CudaBuffer.pointer(x).withByteOffset(offset);
        }

        long stride(Tensor x) {
            return along < 0 ? 0 : x.stride(along);
        }
    }

    /** One operand as cuBLAS sees it: its columns are our rows. */
    private record Operand(int operation, int leading) {
        static Operand of(Tensor x) {
            long rows = x.size(-2);
            long columns = x.size(-1);
            if (x.stride(-1) == 1 || (columns == 1 && x.stride(-2) != 1)) {
                return new Operand(
                        cublasOperation.CUBLAS_OP_N, leading(x, rows == 1 ? columns : x.stride(-2), columns));
            }
            if (x.stride(-2) == 1 || rows == 1) {
                return new Operand(cublasOperation.CUBLAS_OP_T, leading(x, columns == 1 ? rows : x.stride(-1), rows));
            }
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "of the last two dimensions of %s neither has stride 1", x));
        }

        private static int leading(Tensor x, long stride, long least) {
            if (stride < least) {
                throw new IllegalArgumentException(
                        String.format(Locale.ROOT, "%s overlaps itself; a matrix must not", x));
            }
            return Math.toIntExact(Math.max(1, stride));
        }
    }

    private void product(Matmul op, Scalars scalars, StridedBatch batch) {
        Gemm gemm = new Gemm(op, scalars, batch, Operand.of(op.b()), Operand.of(op.a()), Operand.of(op.c()));
        if (gemm.result().operation() != cublasOperation.CUBLAS_OP_N) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "the last dimension of the result %s must have stride 1", op.c()));
        }
        int status = batch.count() == 1 ? gemm.one(handle) : gemm.all(handle);
        if (status != 0) {
            CudaCall.checkCublas(status, "multiply %s x %s -> %s", op.a(), op.b(), op.c());
        }
    }

    /** A call of cuBLAS: left is our b, right our a. */
    private record Gemm(Matmul op, Scalars scalars, StridedBatch batch, Operand left, Operand right, Operand result) {
        /** JCuda calls the form of these functions that names the compute type by the data type. */
        private static final int COMPUTE = cudaDataType.CUDA_R_32F;

        private static final int ALGORITHM = cublasGemmAlgo.CUBLAS_GEMM_DEFAULT;

        int one(cublasHandle handle) {
            return JCublas2.cublasGemmEx(
                    handle,
                    left.operation(),
                    right.operation(),
                    op.c().size(-1),
                    op.c().size(-2),
                    op.a().size(-1),
                    scalars.alpha(),
                    batch.pointer(op.b()),
                    type(op.b()),
                    left.leading(),
                    batch.pointer(op.a()),
                    type(op.a()),
                    right.leading(),
                    scalars.beta(),
                    batch.pointer(op.c()),
                    type(op.c()),
                    result.leading(),
                    COMPUTE,
                    ALGORITHM);
        }

        int all(cublasHandle handle) {
            return JCublas2.cublasGemmStridedBatchedEx(
                    handle,
                    left.operation(),
                    right.operation(),
                    op.c().size(-1),
                    op.c().size(-2),
                    op.a().size(-1),
                    scalars.alpha(),
                    batch.pointer(op.b()),
                    type(op.b()),
                    left.leading(),
                    batch.stride(op.b()),
                    batch.pointer(op.a()),
                    type(op.a()),
                    right.leading(),
                    batch.stride(op.a()),
                    scalars.beta(),
                    batch.pointer(op.c()),
                    type(op.c()),
                    result.leading(),
                    batch.stride(op.c()),
                    batch.count(),
                    COMPUTE,
                    ALGORITHM);
        }
    }

    private static void checkTypes(Matmul op) {
        DType in = op.a().dtype();
        DType out = op.c().dtype();
        boolean floating = in == DType.F32 || in == DType.BF16 || in == DType.F16;
        if (!floating || op.b().dtype() != in || (out != in && out != DType.F32)) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "cannot multiply %s x %s -> %s: a and b need one floating type, c that or F32",
                    op.a(),
                    op.b(),
                    op.c()));
        }
    }

    private static int type(Tensor x) {
        return switch (x.dtype()) {
            case F32 -> cudaDataType.CUDA_R_32F;
            case BF16 -> cudaDataType.CUDA_R_16BF;
            case F16 -> cudaDataType.CUDA_R_16F;
            default -> throw new IllegalArgumentException("cannot multiply " + x);
        };
    }

    @Override
    public void close() {
        half.close();
        CudaCall.checkCublas(JCublas2.cublasDestroy(handle), "destroy its handle");
        context.memory().free(workspace);
    }
}
