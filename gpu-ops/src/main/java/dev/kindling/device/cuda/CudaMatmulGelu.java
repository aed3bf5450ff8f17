package dev.kindling.device.cuda;

import dev.kindling.device.Gelu;
import dev.kindling.device.Matmul;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;

/** matmul_gelu_hopper.cu: a product and the GELU beside it in one kernel, on GPUs of compute capability 9.0. */
final class CudaMatmulGelu {
    private static final int THREADS = 640;
    private static final int CLUSTER = 2;
    private static final int TILE_ROWS = 128;
    private static final int TILE_COLUMNS = 256;
    private static final int SUMMED_AT_ONCE = 64;
    private static final int ROWS_OF_A_SUM = 64;

    private final CudaContext context;
    private final CudaGelu gelu;
    private final boolean hopper;

    /** @param wgmma may wgmma kernels be taken where the GPU has them? */
    CudaMatmulGelu(CudaContext context, CudaGelu gelu, boolean wgmma) {
        this.context = context;
        this.gelu = gelu;
        this.hopper = wgmma && context.info().compute() == 90;
    }

    /**
     * Does the kernel take this product? One of half precision, without scale, bias or sum, of dense matrices (b may be
     * the transpose of one) that start at multiples of 16 bytes, N and K multiples of 64, with at least as many tiles as
     * there are multiprocessors: smaller ones would leave some idle, which cuBLAS avoids.
     */
    boolean takes(Matmul product) {
        Tensor a = product.a();
        Tensor b = product.b();
        Tensor c = product.c();
        DType type = c.dtype();
        return hopper
                && c.shape().rank() == 2
                && (type == DType.BF16 || type == DType.F16)
                && a.dtype() == type
                && b.dtype() == type
                && product.alpha() == 1
                && product.bias() == null
                && !product.accumulate()
                && c.size(1) % 64 == 0
                && a.size(1) % SUMMED_AT_ONCE == 0
                && isMatrix(a)
                && (isMatrix(b) || isMatrix(b.transpose(0, 1)))
                && isMatrix(c)
                && tiles(c) >= context.info().multiprocessors();
    }

    private static boolean isMatrix(Tensor x) {
        return x.isDense() && CudaBuffer.address(x) % 16 == 0;
    }

    private static long tiles(Tensor c) {
        return ((c.size(0) + TILE_ROWS - 1L) / TILE_ROWS) * ((c.size(1) + TILE_COLUMNS - 1) / TILE_COLUMNS);
    }

    void forward(Matmul product, Gelu op, Tensor y) {
        gelu.module(op, product.c(), y);
        launch("matmul_gelu_forward", product, op, product.c(), y, 0);
    }

    void backward(Matmul product, Gelu op, Tensor x, Tensor dBias) {
        Tensor dx = product.c();
        CudaModule sums = gelu.module(op, dx, x);
        CudaGelu.checkSums(dBias, dx.size(1));
        int groups = (dx.size(0) + ROWS_OF_A_SUM - 1) / ROWS_OF_A_SUM;
        long partial = dBias == null ? 0 : context.scratch(4L * groups * dx.size(1));
        launch("matmul_gelu_backward", product, op, x, dx, partial);
        if (dBias != null) {
            gelu.addSums(sums, partial, groups, dBias);
        }
    }

    private void launch(String kernel, Matmul product, Gelu op, Tensor x, Tensor out, long partial) {
        Tensor a = product.a();
        boolean transposed = !product.b().isDense();
        Tensor b = transposed ? product.b().transpose(0, 1) : product.b();
        CudaModule module = context.module(
                "matmul_gelu_hopper",
                x.dtype(),
                "CHANNELS",
                product.c().size(1),
                "SUMMED",
                a.size(1),
                "GELU_TANH",
                op.form() == Gelu.Form.TANH ? 1 : 0,
                "TRANSPOSED",
                transposed ? 1 : 0);
        LaunchArguments arguments = context.arguments();
        TensorMap.of(a, TILE_ROWS).addTo(arguments);
        TensorMap.of(b, transposed ? TILE_COLUMNS / CLUSTER : SUMMED_AT_ONCE).addTo(arguments);
        arguments
                .struct(KernelStructs.MATMUL_GELU)
                .set("x", CudaContext.aligned(x))
                .set("out", CudaContext.aligned(out))
                .set("bias", CudaContext.aligned(op.bias()))
                .set("partial", partial)
                .set("rows", a.size(0));
        int blocks = context.info().multiprocessors() / CLUSTER * CLUSTER;
        context.launch(module.kernel(kernel), new Grid(blocks, 1, 1, THREADS, 1, module.number("matmul_gelu_shared")));
    }
}
