package dev.kindling.device.cuda;

import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Fp8Ops;
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

    void forward(Fp8Matrix.Operand a, Fp8Matrix.Operand b, Gelu op, Fp8Ops.Kept kept, Tensor to, Fp8Matrix y) {
        TensorChecks.type(DType.E4M3, a.values(), y.values());
        launch("fp8_matmul_gelu_forward", new Operands(a, b, op, kept, to, y), 0);
    }

    void backward(Fp8Matrix.Operand a, Fp8Matrix.Operand b, Tensor slope, Fp8Matrix dx, Tensor dBias) {
        TensorChecks.type(DType.E5M2, a.values(), dx.values());
        int columns = slope.size(-1);
        CudaGelu.checkSums(dBias, columns);
        int groups = (TensorChecks.rows(slope, columns) + ROWS_OF_A_SUM - 1) / ROWS_OF_A_SUM;
        long partial = dBias == null ? 0 : context.scratch(4L * groups * columns);
        Gelu op = new Gelu(Gelu.Form.ERF, null); // whose slope is known
        launch("fp8_matmul_gelu_backward", new Operands(a, b, op, Fp8Ops.Kept.SLOPE, slope, dx), partial);
        if (dBias != null) {
            gelu.addSums(gelu.module(op, slope, slope), partial, groups, dBias);
        }
    }

    /** What both directions take. */
    private record Operands(
            Fp8Matrix.Operand a, Fp8Matrix.Operand b, Gelu op, Fp8Ops.Kept what, Tensor kept, Fp8Matrix to) {}

    private void launch(String kernel, Operands of, long partial) {
        Tensor left = of.a.values();
        Tensor right = of.b.values();
        Tensor values = of.to.values();
        Tensor bias = of.op.bias();
        CudaFp8.check(of.to);
        TensorChecks.dense(left, right, of.kept, bias);
        TensorChecks.type(DType.E4M3, right);
        TensorChecks.type(of.kept.dtype(), bias);
        TensorChecks.count(values.count(), of.kept);
        TensorChecks.count(values.size(1), bias);
        if (left.size(1) != right.size(1) || left.size(0) != values.size(0) || right.size(0) != values.size(1)) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "shapes do not multiply: %s x the transpose of %s -> %s", left, right, values));
        }
        CudaModule module = module(of);
        LaunchArguments arguments = context.arguments();
        TensorMap.of(left, TILE_ROWS).addTo(arguments);
        TensorMap.of(right, TILE_COLUMNS / CLUSTER).addTo(arguments);
        arguments
                .struct(KernelStructs.FP8_MATMUL_GELU)
                .set("kept", CudaContext.aligned(of.kept))
                .set("values", CudaContext.aligned(values))
                .set("transposed", CudaContext.aligned(of.to.transposed()))
                .set("maximum", CudaBuffer.address(of.to.scale().maximum()))
                .set("partial", partial)
                .set("inverseA", CudaBuffer.address(of.a.inverseScale()))
                .set("inverseB", CudaBuffer.address(of.b.inverseScale()))
                .set("scale", CudaBuffer.address(of.to.scale().scale()))
                .set("bias", CudaContext.aligned(bias))
                .set("rows", values.size(0));
        int blocks = context.info().multiprocessors() / CLUSTER * CLUSTER;
        Grid grid = new Grid(blocks, 1, 1, THREADS, 1, module.number("fp8_matmul_gelu_shared"));
        context.launch(module.kernel(kernel), grid);
    }

    private CudaModule module(Operands of) {
        return context.module(
                "fp8_matmul_gelu_hopper",
                of.kept.dtype(),
                "CHANNELS",
                of.to.values().size(1),
                "SUMMED",
                of.a.values().size(1),
                "GELU_TANH",
                of.op.form() == Gelu.Form.TANH ? 1 : 0,
                "KEEPS_X",
                of.what == Fp8Ops.Kept.X ? 1 : 0);
    }
}
