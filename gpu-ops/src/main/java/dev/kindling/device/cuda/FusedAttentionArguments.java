package dev.kindling.device.cuda;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionShape;
import dev.kindling.tensor.Tensor;

/**
 * The tensors of one call of a fused attention kernel, and the fields that they fill in its struct: those that the structs
 * of the flash and the efficient kernels have in common (attention.cuh). What a pass does not have is 0 there.
 *
 * @param gradients or null in the forward pass
 */
record FusedAttentionArguments(
        AttentionInputs inputs, Tensor out, Tensor logSumExp, AttentionInputs.Gradients gradients) {
    private static final int STRIDES = 3;

    /** Sets all but the fields of one of the two structs alone. */
    void fill(StructValue struct, StepState state) {
        AttentionInputs.Gradients none = new AttentionInputs.Gradients(null, null, null, null);
        AttentionInputs.Gradients g = gradients == null ? none : gradients;
        matrix(struct, "q", inputs.query());
        matrix(struct, "k", inputs.key());
        matrix(struct, "v", inputs.value());
        matrix(struct, "o", out);
        matrix(struct, "dO", g.dOut());
        matrix(struct, "dq", g.dQuery());
        matrix(struct, "dk", g.dKey());
        matrix(struct, "dv", g.dValue());
        AttentionShape shape = inputs.shape();
        struct.set("lse", CudaBuffer.address(logSumExp))
                .set("state", state.address())
                .set("batch", shape.batch())
                .set("heads", shape.heads())
                .set("queryLength", shape.queryLength())
                .set("keyLength", shape.keyLength())
                .set("scale", inputs.scale())
                .set("threshold", inputs.dropout().threshold())
                .set("site", inputs.dropout().site());
    }

    /** A tensor's address, and its strides of batch, head and row as struct Strides. */
    private static void matrix(StructValue struct, String name, Tensor tensor) {
        struct.set(name, CudaContext.aligned(tensor)).set(name + "At", strides(tensor));
    }

    private static long[] strides(Tensor tensor) {
        long[] strides = new long[STRIDES];
        for (int d = 0; tensor != null && d < STRIDES; d++) {
            strides[d] = tensor.stride(d);
        }
        return strides;
    }
}
