package dev.kindling.device.cuda;

import dev.kindling.device.CrossEntropy;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.Locale;

/** cross_entropy.cu and fp8_cross_entropy_hopper.cu: the fused classifier. */
final class CudaCrossEntropy {
    private static final int VECTOR = 8;

    private final CudaContext context;
    private final CudaElementwise elementwise;

    CudaCrossEntropy(CudaContext context, CudaElementwise elementwise) {
        this.context = context;
        this.elementwise = elementwise;
    }

    void loss(CrossEntropy op) {
        check(op);
        run(op, "cross_entropy_loss", padded(op), false);
    }

    void lossWithGradient(CrossEntropy op) {
        check(op);
        Tensor logits = padded(op);
        run(op, "cross_entropy_backward", logits, true);
        if (logits != op.logits()) {
            elementwise.copy(logits.slice(1, 0, op.logits().size(-1)), rows(op.logits()));
        }
    }

    /** fp8_cross_entropy_hopper.cu. */
    void lossWithGradient(CrossEntropy op, Fp8Matrix dLogits) {
        check(op);
        CudaFp8.check(dLogits);
        TensorChecks.type(DType.E5M2, dLogits.values());
        TensorChecks.count(op.logits().count(), dLogits.values());
        int rows = dLogits.values().size(0);
        int padded = dLogits.values().size(1);
        CudaModule module = context.module(
                "fp8_cross_entropy_hopper", op.logits().dtype(), "VOCABULARY", op.vocabulary(), "PADDED", padded);
        long statistics = context.scratch(2L * Float.BYTES * rows);
        fp8Arguments(op, dLogits, statistics);
        context.launch(module.kernel("fp8_cross_entropy_rows"), Grid.of(rows, 512));
        fp8Arguments(op, dLogits, statistics);
        Grid tiles = new Grid((padded + 63) / 64, (rows + 127) / 128, 1, 256, 1, 0);
        context.launch(module.kernel("fp8_cross_entropy_gradient"), tiles);
    }

    private void fp8Arguments(CrossEntropy op, Fp8Matrix dLogits, long statistics) {
        context.arguments()
                .struct(KernelStructs.FP8_CROSS_ENTROPY)
                .set("losses", CudaBuffer.address(op.losses()))
                .set("statistics", statistics)
                .set("values", CudaContext.aligned(dLogits.values()))
                .set("transposed", CudaContext.aligned(dLogits.transposed()))
                .set("maximum", CudaBuffer.address(dLogits.scale().maximum()))
                .set("scale", CudaBuffer.address(dLogits.scale().scale()))
                .set("logits", CudaContext.aligned(op.logits()))
                .set("targets", CudaBuffer.address(op.targets()))
                .set("lossScale", context.state().lossScaleAddress())
                .set("rows", dLogits.values().size(0));
    }

    private void run(CrossEntropy op, String entry, Tensor logits, boolean gradient) {
        CudaModule module = context.module(
                "cross_entropy", logits.dtype(), "VOCABULARY", op.vocabulary(), "PADDED", logits.size(-1));
        LaunchArguments arguments = context.arguments()
                .add(CudaBuffer.address(op.losses()))
                .add(CudaContext.aligned(logits))
                .add(CudaBuffer.address(op.targets()));
        int rows = Math.toIntExact(logits.count() / logits.size(-1));
        arguments.add(rows);
        if (gradient) {
            arguments.add(context.state().lossScaleAddress());
        }
        int perBlock = module.number("cross_entropy_rows");
        int blocks = (rows + perBlock - 1) / perBlock;
        context.launch(module.kernel(entry), new Grid(blocks, 1, 1, 512, 1, module.number("cross_entropy_shared")));
    }

    /** The logits, or a copy with rows of a multiple of 8; models pad their vocabulary and need none. */
    private Tensor padded(CrossEntropy op) {
        int width = op.logits().size(-1);
        if (width % VECTOR == 0) {
            return op.logits();
        }
        Tensor from = rows(op.logits());
        Shape shape = Shape.of(from.size(0), (width + VECTOR - 1L) / VECTOR * VECTOR);
        context.scratch(shape.count() * from.dtype().bytes());
        Tensor copy = context.scratchTensor(from.dtype(), shape, 0);
        elementwise.fill(copy, 0);
        elementwise.copy(from, copy.slice(1, 0, width));
        return copy;
    }

    private static Tensor rows(Tensor logits) {
        return logits.reshape(logits.count() / logits.size(-1), logits.size(-1));
    }

    private static void check(CrossEntropy op) {
        TensorChecks.dense(op.logits(), op.targets(), op.losses());
        TensorChecks.type(DType.I32, op.targets());
        TensorChecks.type(DType.F32, op.losses());
        int width = op.logits().size(-1);
        TensorChecks.count(TensorChecks.rows(op.logits(), width), op.targets(), op.losses());
        if (width < op.vocabulary()) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "%s holds less than the vocabulary of %d", op.logits(), op.vocabulary()));
        }
    }
}
