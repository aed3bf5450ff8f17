package dev.kindling.device.cuda;

import dev.kindling.device.Dropout;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.ResidualLayerNorm;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Locale;

/** residual_layernorm_forward.cu, fp8_layernorm_hopper.cu and residual_layernorm_backward.cu. */
final class CudaLayerNorm {
    private static final String THREADS = "residual_layernorm_threads";

    /** The number of an H100's; the same for all GPUs, since sums depend on it. */
    private static final int MULTIPROCESSORS = 132;

    /** Rows of a block of fp8_layernorm. */
    private static final int FP8_ROWS = 32;

    private final CudaContext context;

    CudaLayerNorm(CudaContext context) {
        this.context = context;
    }

    void forward(ResidualLayerNorm op) {
        check(op);
        CudaModule module = module("residual_layernorm_forward", op);
        arguments(KernelStructs.RESIDUAL_LAYERNORM, op).set("y", CudaContext.aligned(op.y()));
        context.launch(
                module.kernel("residual_layernorm_forward"),
                Grid.cover(rows(op), module.number("residual_layernorm_rows"), module.number(THREADS)));
    }

    /** y in FP8; op has none. */
    void forward(ResidualLayerNorm op, Fp8Matrix y) {
        check(op);
        CudaFp8.check(y);
        TensorChecks.type(DType.E4M3, y.values());
        TensorChecks.count(op.residualOut().count(), y.values());
        CudaModule module = module("fp8_layernorm_hopper", op);
        arguments(KernelStructs.FP8_LAYERNORM, op)
                .set("values", CudaContext.aligned(y.values()))
                .set("transposed", CudaContext.aligned(y.transposed()))
                .set("scale", CudaBuffer.address(y.scale().scale()))
                .set("maximum", CudaBuffer.address(y.scale().maximum()));
        int blocks = (rows(op) + FP8_ROWS - 1) / FP8_ROWS;
        context.launch(
                module.kernel("fp8_layernorm"),
                new Grid(
                        blocks,
                        1,
                        1,
                        module.number("fp8_layernorm_threads"),
                        1,
                        module.number("fp8_layernorm_shared")));
    }

    private StructValue arguments(StructLayout layout, ResidualLayerNorm op) {
        StructValue struct = context.arguments()
                .struct(layout)
                .set("residualOut", CudaContext.aligned(op.residualOut()))
                .set("mean", CudaBuffer.address(op.mean()))
                .set("rstd", CudaBuffer.address(op.rstd()))
                .set("residualIn", CudaContext.aligned(op.residualIn()))
                .set("branch", CudaContext.aligned(op.branch()))
                .set("branchBias", CudaContext.aligned(op.branchBias()))
                .set("weight", CudaContext.aligned(op.weight()))
                .set("bias", CudaContext.aligned(op.bias()))
                .set("rows", rows(op))
                .set("epsilon", ResidualLayerNorm.EPSILON);
        dropout(struct, op);
        return struct;
    }

    void backward(ResidualLayerNorm op, ResidualLayerNorm.Gradients gradients) {
        check(op);
        Tensor x = op.residualOut();
        TensorChecks.dense(x.dtype(), x.count(), gradients.dy(), gradients.dResidual(), gradients.dBranch());
        TensorChecks.dense(gradients.dWeight(), gradients.dBias(), gradients.dBranchBias());
        TensorChecks.type(DType.F32, gradients.dWeight(), gradients.dBias(), gradients.dBranchBias());
        CudaModule module = module("residual_layernorm_backward", op);
        int rows = rows(op);
        int channels = x.size(-1);
        boolean biases = gradients.dBias() != null || gradients.dBranchBias() != null;
        int atOnce = module.number(biases ? "residual_layernorm_blocks_biases" : "residual_layernorm_blocks");
        int blocks = Math.max(1, Math.min(MULTIPROCESSORS * atOnce, rows));
        long partial = context.scratch(4L * blocks * 3 * channels);
        StructValue struct = context.arguments()
                .struct(KernelStructs.RESIDUAL_LAYERNORM_BACKWARD)
                .set("dResidual", CudaContext.aligned(gradients.dResidual()))
                .set("dBranch", CudaContext.aligned(gradients.dBranch()))
                .set("partial", partial)
                .set("dy", CudaContext.aligned(gradients.dy()))
                .set("x", CudaContext.aligned(op.residualOut()))
                .set("weight", CudaContext.aligned(op.weight()))
                .set("mean", CudaBuffer.address(op.mean()))
                .set("rstd", CudaBuffer.address(op.rstd()))
                .set("rows", rows)
                .set("accumulate", gradients.accumulate() ? 1 : 0);
        dropout(struct, op);
        String kernel = biases ? "residual_layernorm_backward_biases" : "residual_layernorm_backward";
        context.launch(module.kernel(kernel), Grid.of(blocks, module.number(THREADS)));
        context.arguments()
                .add(CudaBuffer.address(gradients.dWeight()))
                .add(CudaBuffer.address(gradients.dBias()))
                .add(CudaBuffer.address(gradients.dBranchBias()))
                .add(partial)
                .add(blocks);
        context.launch(module.kernel("residual_layernorm_reduce"), new Grid((channels + 31) / 32, 3, 1, 32, 32, 0));
    }

    private void dropout(StructValue struct, ResidualLayerNorm op) {
        Dropout dropout = op.branch() == null ? Dropout.NONE : op.dropout();
        struct.set("threshold", dropout.threshold())
                .set("site", dropout.site())
                .set("state", context.state().address());
    }

    private static int rows(ResidualLayerNorm op) {
        return TensorChecks.rows(op.residualOut(), op.residualOut().size(-1));
    }

    private CudaModule module(String stem, ResidualLayerNorm op) {
        return context.module(
                stem, op.residualOut().dtype(), "CHANNELS", op.residualOut().size(-1));
    }

    private static void check(ResidualLayerNorm op) {
        Tensor x = op.residualOut();
        TensorChecks.dense(op.residualIn(), op.branch(), op.branchBias(), x, op.weight(), op.bias(), op.y());
        TensorChecks.type(x.dtype(), op.residualIn(), op.branch(), op.branchBias(), op.y(), op.weight(), op.bias());
        TensorChecks.count(x.count(), op.residualIn(), op.branch(), op.y());
        TensorChecks.count(x.size(-1), op.branchBias(), op.weight(), op.bias());
        TensorChecks.dense(DType.F32, rows(op), op.mean(), op.rstd());
        if (op.branch() == null && CudaBuffer.address(op.residualIn()) != CudaBuffer.address(op.residualOut())) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "without a branch %s must be %s", op.residualOut(), op.residualIn()));
        }
    }
}
