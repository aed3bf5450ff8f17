package dev.kindling.device.cuda;

import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Gelu;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Locale;

/** fp8_matmul_gelu_hopper.cu: a product of FP8 matrices and the GELU beside it in one kernel. */
final class CudaFp8MatmulGelu {
    private static final int THREADS = 640;
    private static final int CLUSTER = 2;
    private static final int TILE_ROWS = 128;
    private static final int TILE_COLUMNS = 256;
    private static final int ROWS_OF_A_SUM = 64;

    private final CudaContext context;
    private final CudaGelu gelu;

    CudaFp8MatmulGelu(CudaContext context, CudaGelu gelu) {
        this.context = context;
        this.gelu = gelu;
    }

    void forward(Fp8Matrix.Operand a, Fp8Matrix.Operand b, Gelu op, Tensor x, Fp8Matrix y) {
        TensorChecks.type(DType.E4M3, a.values(), y.values());
        launch("fp8_matmul_gelu_forward", a, b, op, x, y, 0);
    }

    void backward(Fp8Matrix.Operand a, Fp8Matrix.Operand b, Gelu op, Tensor x, Fp8Matrix dx, Tensor dBias) {
        TensorChecks.type(DType.E5M2, a.values(), dx.values());
        int columns = x.size(-1);
        CudaGelu.checkSums(dBias, columns);
        int groups = (TensorChecks.rows(x, columns) + ROWS_OF_A_SUM - 1) / ROWS_OF_A_SUM;
        long partial = dBias == null ? 0 : context.scratch(4L * groups * columns);
        launch("fp8_matmul_gelu_backward", a, b, op, x, dx, partial);
        if (dBias != null) {
            gelu.addSums(gelu.module(op, x, x), partial, groups, dBias);
        }
    }

    private void launch(
            String kernel, Fp8Matrix.Operand a, Fp8Matrix.Operand b, Gelu op, Tensor x, Fp8Matrix to, long partial) {
        Tensor left = a.values();
        Tensor right = b.values();
        Tensor values = to.values();
        CudaFp8.check(to);
        TensorChecks.dense(left, right, x, op.bias());
        TensorChecks.type(DType.E4M3, right);
        TensorChecks.type(x.dtype(), op.bias());
        TensorChecks.count(values.count(), x);
        TensorChecks.count(values.size(1), op.bias());
        if (left.size(1) != right.size(1) || left.size(0) != values.size(0) || right.size(0) != values.size(1)) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "shapes do not multiply: %s x the transpose of %s -> %s", left, right, values));
        }
        CudaModule module = context.module(
                "fp8_matmul_gelu_hopper",
                x.dtype(),
                "CHANNELS",
                values.size(1),
                "SUMMED",
                left.size(1),
                "GELU_TANH",
                op.form() == Gelu.Form.TANH ? 1 : 0);
        LaunchArguments arguments = context.arguments();
        TensorMap.of(left, TILE_ROWS).addTo(arguments);
        TensorMap.of(right, TILE_COLUMNS / CLUSTER).addTo(arguments);
        arguments
                .struct(KernelStructs.FP8_MATMUL_GELU)
                .set("x", CudaContext.aligned(x))
                .set("values", CudaContext.aligned(values))
                .set("transposed", CudaContext.aligned(to.transposed()))
                .set("maximum", CudaBuffer.address(to.scale().maximum()))
                .set("partial", partial)
                .set("inverseA", CudaBuffer.address(a.inverseScale()))
                .set("inverseB", CudaBuffer.address(b.inverseScale()))
                .set("scale", CudaBuffer.address(to.scale().scale()))
                .set("bias", CudaContext.aligned(op.bias()))
                .set("rows", values.size(0));
        int blocks = context.info().multiprocessors() / CLUSTER * CLUSTER;
        Grid grid = new Grid(blocks, 1, 1, THREADS, 1, module.number("fp8_matmul_gelu_shared"));
        context.launch(module.kernel(kernel), grid);
    }
}
