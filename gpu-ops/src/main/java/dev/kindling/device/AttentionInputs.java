package dev.kindling.device;

import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;

/**
 * The inputs of scaled dot product attention, with the contract of PyTorch's scaled_dot_product_attention: o =
 * dropout(softmax(scale q k^T + mask)) v. Tensors may be strided views; the last dimension has stride 1.
 *
 * <p>Dense: query (B, H, Tq, D), key (B, H, Tk, D), value (B, H, Tk, Dv). Causal is aligned to the bottom right: row
 * sees column if and only if {@code column <= row + Tk - Tq}. A row that sees nothing gives 0.
 *
 * <p>Packed: B = 1 and Tq = Tk = the total of all sequences, which {@code sequences} delimits.
 *
 * @param mask BOOL (true: may attend) or floating (added to the scores), broadcast to (B, H, Tq, Tk); or null
 * @param sequences or null for dense
 */
public record AttentionInputs(
        Tensor query,
        Tensor key,
        Tensor value,
        Tensor mask,
        Sequences sequences,
        boolean causal,
        float scale,
        Dropout dropout) {
    /**
     * Packed sequences: sequence s is rows cumulative[s] .. cumulative[s+1]-1. Sequences may be empty, so that a fixed
     * number of them can be captured.
     *
     * @param cumulative (count + 1) I32, from 0, ascending to the total of rows
     * @param longest an upper bound of every length
     */
    public record Sequences(Tensor cumulative, int count, int longest) {}

    /**
     * Gradients: dOut (like the output) is read, the others (like query, key, value) are overwritten. They may be
     * strided views.
     */
    public record Gradients(Tensor dOut, Tensor dQuery, Tensor dKey, Tensor dValue) {}

    public AttentionShape shape() {
        boolean packed = sequences != null;
        AttentionShape.MaskKind kind = mask == null
                ? AttentionShape.MaskKind.NONE
                : mask.dtype() == DType.BOOL ? AttentionShape.MaskKind.BOOLEAN : AttentionShape.MaskKind.ADDITIVE;
        return new AttentionShape(
                packed ? sequences.count() : query.size(0),
                query.size(1),
                packed ? sequences.longest() : query.size(2),
                packed ? sequences.longest() : key.size(2),
                query.size(3),
                value.size(3),
                query.dtype(),
                causal,
                kind,
                dropout.probability(),
                packed);
    }
}
