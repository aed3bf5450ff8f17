package dev.kindling.device.cuda;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.nio.ByteBuffer;

/** attention_softmax.cu: what MATH attention does between its matrix products. */
final class CudaAttentionSoftmax {
    private static final int STRUCT_BYTES = 112;
    private static final int THREADS = 128;

    private final CudaContext context;

    CudaAttentionSoftmax(CudaContext context) {
        this.context = context;
    }

    void forward(AttentionInputs inputs, Tensor scores, Tensor dropped) {
        launch("attention_softmax_forward", inputs, scores, dropped);
    }

    void backward(AttentionInputs inputs, Tensor probabilities, Tensor dScores) {
        launch("attention_softmax_backward", inputs, dScores, probabilities);
    }

    private void launch(String entry, AttentionInputs inputs, Tensor scores, Tensor other) {
        Checks.dense(scores, other);
        Checks.type(scores.dtype(), other);
        Checks.count(scores.count(), other);
        AttentionShape shape = inputs.shape();
        int rows = scores.size(2);
        int columns = scores.size(3);
        if (rows != inputs.query().size(2) || columns != inputs.key().size(2)) {
            throw new IllegalArgumentException("scores %s do not belong to %s".formatted(scores, shape));
        }
        Tensor mask = inputs.mask() == null ? null : inputs.mask().broadcast(scores.shape());
        CudaModule module = module(inputs, shape, scores);
        ByteBuffer p = context.arguments().struct(STRUCT_BYTES);
        p.putLong(CudaContext.aligned(scores)).putLong(CudaContext.aligned(other));
        p.putLong(CudaBuffer.address(mask));
        p.putLong(
                inputs.sequences() == null
                        ? 0
                        : CudaBuffer.address(inputs.sequences().cumulative()));
        p.putLong(context.state().address());
        for (int d = 0; d < 4; d++) {
            p.putLong(mask == null ? 0 : mask.stride(d));
        }
        p.putInt(scores.size(1)).putInt(rows).putInt(columns);
        p.putInt(inputs.sequences() == null ? 0 : inputs.sequences().count());
        p.putInt(shape.queryLength()).putInt(shape.keyLength());
        p.putFloat(inputs.scale());
        p.putInt(inputs.dropout().threshold()).putInt(inputs.dropout().site());
        Shape extents = scores.shape();
        context.launch(module.kernel(entry), Grid.of(extents.extent(0) * extents.extent(1) * rows, THREADS));
    }

    private CudaModule module(AttentionInputs inputs, AttentionShape shape, Tensor scores) {
        int columns = scores.size(3);
        int vector = columns % 8 == 0 ? 8 : columns % 4 == 0 ? 4 : columns % 2 == 0 ? 2 : 1;
        DType maskType = inputs.mask() == null ? scores.dtype() : inputs.mask().dtype();
        return context.module(
                "attention_softmax",
                scores.dtype(),
                "VECTOR",
                vector,
                "MASK",
                shape.mask().ordinal(),
                "MASK_TYPE",
                CudaContext.kernelType(maskType),
                "CAUSAL",
                inputs.causal() ? 1 : 0,
                "DROPOUT",
                inputs.dropout().active() ? 1 : 0);
    }
}
