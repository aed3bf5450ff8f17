package dev.kindling.device.cuda;

import dev.kindling.device.CrossEntropy;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.Locale;

/** cross_entropy.cu: the fused classifier. */
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
