package dev.kindling.device.cuda;

import dev.kindling.device.CrossEntropy;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;

/** cross_entropy.cu: the fused classifier. */
final class CudaCrossEntropy {
    private static final int VECTOR = 8;

    private final CudaContext context;

    CudaCrossEntropy(CudaContext context) {
        this.context = context;
    }

    void loss(CrossEntropy op) {
        CudaModule module = module(op);
        arguments(op);
        launch(op, module, "cross_entropy_loss");
    }

    void lossWithGradient(CrossEntropy op) {
        CudaModule module = module(op);
        arguments(op).add(context.state().lossScaleAddress());
        launch(op, module, "cross_entropy_backward");
    }

    private LaunchArguments arguments(CrossEntropy op) {
        return context.arguments()
                .add(CudaBuffer.address(op.losses()))
                .add(CudaContext.aligned(op.logits()))
                .add(CudaBuffer.address(op.targets()));
    }

    private void launch(CrossEntropy op, CudaModule module, String entry) {
        int rows = Checks.rows(op.logits(), op.logits().size(-1));
        context.launch(module.kernel(entry), new Grid(rows, 1, 1, 512, 1, module.number("cross_entropy_shared")));
    }

    private CudaModule module(CrossEntropy op) {
        Checks.dense(op.logits(), op.targets(), op.losses());
        Checks.type(DType.I32, op.targets());
        Checks.type(DType.F32, op.losses());
        int padded = op.logits().size(-1);
        int rows = Checks.rows(op.logits(), padded);
        Checks.count(rows, op.targets(), op.losses());
        if (padded % VECTOR != 0 || padded < op.vocabulary()) {
            throw new IllegalArgumentException(
                    "%s: the last dimension must be a multiple of %d and at least the vocabulary %d"
                            .formatted(op.logits(), VECTOR, op.vocabulary()));
        }
        return context.module("cross_entropy", op.logits().dtype(), "VOCABULARY", op.vocabulary(), "PADDED", padded);
    }
}
