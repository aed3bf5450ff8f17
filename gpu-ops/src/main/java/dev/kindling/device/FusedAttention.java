package dev.kindling.device;

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
     * Computes the output, and the log-sum-exp that backward needs.
     *
     * @param out (B, H, Tq, Dv), overwritten; may be strided
     * @param logSumExp (B, H, Tq) F32 natural log, overwritten; +infinity for rows that see nothing
     */
    void forward(AttentionInputs inputs, Tensor out, Tensor logSumExp);

    /** Overwrites dQuery, dKey, dValue; deterministic. */
    void backward(AttentionInputs inputs, Tensor out, Tensor logSumExp, AttentionInputs.Gradients gradients);
}
