package dev.kindling.attention;

import dev.kindling.device.Ops;

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
}
