package dev.kindling.device.cuda;

import dev.kindling.device.Gelu;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;

/** gelu.cu. */
final class CudaGelu {
    private static final int GROUPS = 128;

    private final CudaContext context;

    CudaGelu(CudaContext context) {
        this.context = context;
    }

    void forward(Gelu op, Tensor x, Tensor y) {
        CudaModule module = module(op, x, y);
        context.arguments()
                .add(CudaContext.aligned(y))
                .add(CudaContext.aligned(x))
                .add(CudaContext.aligned(op.bias()))
                .add(x.count());
        context.launch(module.kernel("gelu_forward"), Grid.cover(x.count(), 256 * module.number("gelu_vector"), 256));
    }

    void backward(Gelu op, Tensor x, Tensor dy, Tensor dx, Tensor dBias) {
        CudaModule module = module(op, x, dy);
        module(op, x, dx);
        int channels = x.size(-1);
        checkSums(dBias, channels);
        int rows = TensorChecks.rows(x, channels);
        int groups = Math.max(1, Math.min(GROUPS, rows / 8));
        long partial = dBias == null ? 0 : context.scratch(4L * groups * channels);
        context.arguments()
                .add(CudaContext.aligned(dx))
                .add(partial)
                .add(CudaContext.aligned(dy))
                .add(CudaContext.aligned(x))
                .add(CudaContext.aligned(op.bias()))
                .add(rows);
        int perBlock = 32 * module.number("gelu_vector");
        context.launch(
                module.kernel("gelu_backward"), new Grid((channels + perBlock - 1) / perBlock, groups, 1, 32, 8, 0));
        if (dBias != null) {
            addSums(module, partial, groups, dBias);
        }
    }

    static void checkSums(Tensor dBias, int channels) {
        TensorChecks.dense(DType.F32, channels, dBias);
    }

    /** dBias += the sums of {@code groups} of rows, in order. */
    void addSums(CudaModule module, long partial, int groups, Tensor dBias) {
        int channels = Math.toIntExact(dBias.count());
        context.arguments().add(CudaBuffer.address(dBias)).add(partial).add(groups);
        context.launch(module.kernel("gelu_reduce"), new Grid((channels + 31) / 32, 1, 1, 32, 32, 0));
    }

    /** The file's module for x and y, which are checked. */
    CudaModule module(Gelu op, Tensor x, Tensor y) {
        TensorChecks.dense(x, y, op.bias());
        TensorChecks.type(x.dtype(), y, op.bias());
        TensorChecks.count(x.count(), y);
        TensorChecks.count(x.size(-1), op.bias());
        int tanh = op.form() == Gelu.Form.TANH ? 1 : 0;
        return context.module("gelu", x.dtype(), "CHANNELS", x.size(-1), "GELU_TANH", tanh);
    }
}
