package dev.kindling.device.cuda;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Locale;

/** attention_math.cu: what MATH attention does between its matrix products. */
final class CudaAttentionSoftmax {
    private static final int THREADS = 128;
    private static final int ROWS = 4;
    /** Of a launch: what the grid's third dimension takes, and a multiple of 8, so that a part begins at whole 16 bytes. */
    private static final int MOST_BATCHES = 65528;

    private final CudaContext context;

    CudaAttentionSoftmax(CudaContext context) {
        this.context = context;
    }

    void forward(AttentionInputs inputs, Tensor scores, Tensor dropped) {
        launch("attention_math_forward", inputs, new Matrices(scores, dropped, null));
    }

    void backward(AttentionInputs inputs, Tensor probabilities, Tensor dScores) {
        launch("attention_math_backward", inputs, new Matrices(probabilities, null, dScores));
    }

    private record Matrices(Tensor scores, Tensor dropped, Tensor gradient) {
        Matrices slice(int first, int batch) {
            return new Matrices(
                    scores.slice(0, first, batch), slice(dropped, first, batch), slice(gradient, first, batch));
        }

        private static Tensor slice(Tensor tensor, int first, int batch) {
            return tensor == null ? null : tensor.slice(0, first, batch);
        }
    }

    private void launch(String entry, AttentionInputs inputs, Matrices matrices) {
        Tensor scores = matrices.scores();
        TensorChecks.dense(scores, matrices.dropped(), matrices.gradient());
        TensorChecks.type(scores.dtype(), matrices.dropped(), matrices.gradient());
        TensorChecks.count(scores.count(), matrices.dropped(), matrices.gradient());
        if (scores.size(2) != inputs.query().size(2)
                || scores.size(3) != inputs.key().size(2)) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "scores %s do not belong to %s", scores, inputs.shape()));
        }
        CudaKernel kernel = module(inputs, scores).kernel(entry);
        Tensor mask = inputs.mask() == null ? null : inputs.mask().broadcast(scores.shape());
        for (int first = 0; first < scores.size(0); first += MOST_BATCHES) {
            int batch = Math.min(MOST_BATCHES, scores.size(0) - first);
            pack(inputs, matrices.slice(first, batch), Matrices.slice(mask, first, batch), first);
            context.launch(kernel, new Grid((scores.size(2) + ROWS - 1) / ROWS, scores.size(1), batch, THREADS, 1, 0));
        }
    }

    /** Fills struct AttentionMath. */
    private void pack(AttentionInputs inputs, Matrices matrices, Tensor mask, int firstBatch) {
        Tensor scores = matrices.scores();
        AttentionShape shape = inputs.shape();
        AttentionInputs.Sequences sequences = inputs.sequences();
        StructValue struct = context.arguments()
                .struct(KernelStructs.ATTENTION_MATH)
                .set("scores", CudaContext.aligned(scores))
                .set("dropped", CudaContext.aligned(matrices.dropped()))
                .set("gradient", CudaContext.aligned(matrices.gradient()))
                .set("cumulative", sequences == null ? 0 : CudaBuffer.address(sequences.cumulative()))
                .set("state", context.state().address())
                .set("firstRow", (long) firstBatch * scores.size(1) * shape.queryLength())
                .set("heads", scores.size(1))
                .set("rows", scores.size(2))
                .set("columns", scores.size(3))
                .set("sequences", sequences == null ? 0 : sequences.count())
                .set("queryLength", shape.queryLength())
                .set("keyLength", shape.keyLength())
                .set("scale", inputs.scale())
                .set("threshold", inputs.dropout().threshold())
                .set("site", inputs.dropout().site());
        setMask(struct, mask);
    }

    /** The mask's fields, as the kernels of MATH and EFFICIENT attention have them. */
    static void setMask(StructValue struct, Tensor mask) {
        struct.set("mask", CudaBuffer.address(mask))
                .set("maskBatch", mask == null ? 0 : mask.stride(0))
                .set("maskHead", mask == null ? 0 : mask.stride(1))
                .set("maskRow", mask == null ? 0 : mask.stride(2))
                .set("maskColumn", mask == null ? 0 : mask.stride(3));
    }

    private CudaModule module(AttentionInputs inputs, Tensor scores) {
        DType maskType = inputs.mask() == null ? scores.dtype() : inputs.mask().dtype();
        return context.module(
                "attention_math",
                scores.dtype(),
                "CAUSAL",
                inputs.causal() ? 1 : 0,
                "MASK",
                CudaContext.kernelMask(inputs.shape().mask()),
                "MASK_TYPE",
                CudaContext.kernelType(maskType),
                "PACKED",
                inputs.sequences() == null ? 0 : 1,
                "MANY",
                scores.size(0) > MOST_BATCHES ? 1 : 0);
    }
}
