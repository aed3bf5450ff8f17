package dev.kindling.device.cuda;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.nio.ByteBuffer;

/** attention_math.cu and attention_softmax.cu: what MATH attention does between its matrix products. */
final class CudaAttentionSoftmax {
    private static final int STRUCT_BYTES = 112;
    private static final int MATH_BYTES = 104;
    private static final int THREADS = 128;
    private static final int MOST_BLOCKS = 65535;

    private final CudaContext context;

    CudaAttentionSoftmax(CudaContext context) {
        this.context = context;
    }

    void forward(AttentionInputs inputs, Tensor scores, Tensor dropped) {
        if (plain(inputs, scores)) {
            math("attention_math_forward", inputs, new Matrices(scores, dropped, null));
        } else {
            launch("attention_softmax_forward", inputs, scores, dropped);
        }
    }

    void backward(AttentionInputs inputs, Tensor probabilities, Tensor dScores) {
        if (plain(inputs, dScores)) {
            math("attention_math_backward", inputs, new Matrices(probabilities, null, dScores));
        } else {
            launch("attention_softmax_backward", inputs, dScores, probabilities);
        }
    }

    /** Dense, and any additive mask of the scores' own type: attention_math.cu; attention_softmax.cu takes the rest. */
    private static boolean plain(AttentionInputs inputs, Tensor scores) {
        Tensor mask = inputs.mask();
        return inputs.sequences() == null
                && (mask == null || mask.dtype() == DType.BOOL || mask.dtype() == scores.dtype())
                && scores.size(0) <= MOST_BLOCKS
                && scores.size(1) <= MOST_BLOCKS;
    }

    private record Matrices(Tensor scores, Tensor dropped, Tensor gradient) {}

    private void math(String entry, AttentionInputs inputs, Matrices matrices) {
        Tensor scores = matrices.scores();
        Checks.dense(scores, matrices.dropped(), matrices.gradient());
        Checks.type(scores.dtype(), matrices.dropped(), matrices.gradient());
        Checks.count(scores.count(), matrices.dropped(), matrices.gradient());
        AttentionShape shape = check(inputs, scores);
        Tensor mask = inputs.mask() == null ? null : inputs.mask().broadcast(scores.shape());
        int causal = inputs.causal() ? 1 : 0;
        CudaModule module = context.module(
                "attention_math",
                scores.dtype(),
                "CAUSAL",
                causal,
                "MASK",
                shape.mask().ordinal());
        ByteBuffer p = context.arguments().struct(MATH_BYTES);
        p.putLong(CudaContext.aligned(scores));
        p.putLong(CudaContext.aligned(matrices.dropped()));
        p.putLong(CudaContext.aligned(matrices.gradient()));
        p.putLong(CudaBuffer.address(mask)).putLong(context.state().address());
        maskStrides(p, mask);
        p.putInt(shape.batch()).putInt(shape.heads());
        p.putInt(shape.queryLength()).putInt(shape.keyLength());
        p.putFloat(inputs.scale());
        p.putInt(inputs.dropout().threshold()).putInt(inputs.dropout().site());
        context.launch(
                module.kernel(entry),
                new Grid((shape.queryLength() + 3) / 4, shape.heads(), shape.batch(), THREADS, 1, 0));
    }

    private static void maskStrides(ByteBuffer p, Tensor mask) {
        for (int d = 0; d < 4; d++) {
            p.putLong(mask == null ? 0 : mask.stride(d));
        }
    }

    private static AttentionShape check(AttentionInputs inputs, Tensor scores) {
        if (scores.size(2) != inputs.query().size(2)
                || scores.size(3) != inputs.key().size(2)) {
            throw new IllegalArgumentException("scores %s do not belong to %s".formatted(scores, inputs.shape()));
        }
        return inputs.shape();
    }

    private void launch(String entry, AttentionInputs inputs, Tensor scores, Tensor other) {
        Checks.dense(scores, other);
        Checks.type(scores.dtype(), other);
        Checks.count(scores.count(), other);
        AttentionShape shape = check(inputs, scores);
        int rows = scores.size(2);
        int columns = scores.size(3);
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
        maskStrides(p, mask);
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
