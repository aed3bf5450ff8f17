package dev.kindling.attention;

import dev.kindling.device.AttentionShape;
import dev.kindling.device.Ops;
import java.util.Optional;

/**
 * Fused attention with an online softmax and O(T) memory (Dao, FlashAttention-2, arXiv:2307.08691). Takes causal
 * attention, dropout and packed sequences, and no arbitrary mask.
 */
public final class FlashAttention extends FusedBackend {
    public FlashAttention(Ops ops) {
        super(ops.flash());
    }

    @Override
    public Kind kind() {
        return Kind.FLASH;
    }

    @Override
    public Optional<String> whyNot(AttentionShape shape) {
        if (shape.mask() != AttentionShape.MaskKind.NONE) {
            return Optional.of("takes no mask besides causal, and there is a mask of kind " + shape.mask());
        }
        if (shape.headDim() != shape.valueDim()) {
            return Optional.of("needs value width = head dimension, and they are %d and %d"
                    .formatted(shape.valueDim(), shape.headDim()));
        }
        return super.whyNot(shape);
    }
}
