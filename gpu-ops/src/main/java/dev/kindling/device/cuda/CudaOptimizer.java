package dev.kindling.device.cuda;

import dev.kindling.device.AdamWOp;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.ByteBuffer;

/** global_norm.cu and adamw.cu. */
final class CudaOptimizer {
    private static final int BLOCKS = 1024;

    private final CudaContext context;

    CudaOptimizer(CudaContext context) {
        this.context = context;
    }

    void gradientNorm(Tensor gradients, float maxNorm) {
        Checks.dense(gradients);
        Checks.type(DType.F32, gradients);
        CudaModule module = context.module("global_norm");
        long partial = context.scratch(8L * BLOCKS);
        context.arguments().add(partial).add(CudaContext.aligned(gradients)).add(gradients.count());
        context.launch(module.kernel("global_norm_partial"), Grid.of(BLOCKS, 256));
        context.arguments()
                .add(context.state().address())
                .add(partial)
                .add(BLOCKS)
                .add(maxNorm)
                .add(1f);
        context.launch(module.kernel("global_norm_finish"), Grid.of(1, 256));
    }

    void adamW(AdamWOp op) {
        Checks.dense(op.parameters(), op.working(), op.gradients(), op.m(), op.v());
        Checks.type(DType.F32, op.parameters(), op.gradients(), op.m(), op.v());
        long count = op.parameters().count();
        Checks.count(count, op.working(), op.gradients(), op.m(), op.v());
        long master = CudaContext.aligned(op.parameters());
        long working = CudaBuffer.address(op.working());
        DType type = op.working() == null ? DType.F32 : op.working().dtype();
        if (working % (4L * type.bytes()) != 0) {
            throw new IllegalArgumentException("%s does not start at a multiple of 4 elements".formatted(op.working()));
        }
        CudaKernel kernel = context.module("adamw", type).kernel("adamw");
        ByteBuffer p = context.arguments().struct(72);
        p.putLong(master).putLong(CudaContext.aligned(op.m())).putLong(CudaContext.aligned(op.v()));
        p.putLong(working == master ? 0 : working).putLong(CudaContext.aligned(op.gradients()));
        p.putLong(context.state().address()).putLong(count);
        p.putFloat(op.beta1()).putFloat(op.beta2()).putFloat(op.epsilon()).putFloat(op.weightDecay());
        context.launch(kernel, Grid.cover(count, 1024, 256));
    }

    void nextMicroBatch() {
        CudaKernel kernel = context.module("step_state").kernel("next_micro_batch");
        context.arguments().add(context.state().address());
        context.launch(kernel, Grid.of(1, 1));
    }
}
