package dev.kindling.device;

import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.Locale;
import java.util.Optional;

/** A device's fused attention kernel with O(T) memory; behind {@code FlashAttention} and {@code EfficientAttention}. */
public interface FusedAttention {
    /** Why this kernel cannot take such inputs (requirement and actual value), or empty if it can. */
    Optional<String> whyNot(AttentionShape shape);

    /** Why FLASH, on whatever device, cannot take such inputs: it has no masks, and one width. Or empty. */
    static Optional<String> whyNotFlash(AttentionShape shape) {
        if (shape.mask() != AttentionShape.MaskKind.NONE) {
            return Optional.of("takes no mask besides causal, and there is a mask of kind " + shape.mask());
        }
        if (shape.headDim() != shape.valueDim()) {
            return Optional.of(String.format(
                    Locale.ROOT,
                    "needs value width = head dimension, and they are %d and %d",
                    shape.valueDim(),
                    shape.headDim()));
        }
        return Optional.empty();
    }

    /**
     * The shape of what forward saves for backward: the log-sum-exp (B, H, Tq), or that and more in one dimension.
     */
    default Shape saved(AttentionInputs inputs) {
        Shape query = inputs.query().shape();
        return Shape.of(query.extent(0), query.extent(1), query.extent(2));
    }

    /**
     * Computes the output, and what backward needs.
     *
     * @param out (B, H, Tq, Dv), overwritten; may be strided
     * @param saved F32, dense, of the shape {@link #saved}, overwritten. It begins with the log-sum-exp (B, H, Tq), natural
     *     log, +infinity for rows that see nothing
     */
    void forward(AttentionInputs inputs, Tensor out, Tensor saved);

    /** Overwrites dQuery, dKey, dValue; deterministic. {@code out} and {@code saved} are those of the forward call. */
    void backward(AttentionInputs inputs, Tensor out, Tensor saved, AttentionInputs.Gradients gradients);
}
