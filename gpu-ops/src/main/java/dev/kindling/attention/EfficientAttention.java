package dev.kindling.attention;

import dev.kindling.device.Ops;

/**
 * Memory-efficient attention (Rabe and Staats, arXiv:2112.05682) with a kernel of its own: every floating type,
 * arbitrary masks with broadcasting, and a value width that may differ from the head dimension. CUDA only.
 */
public final class EfficientAttention extends FusedBackend {
    public EfficientAttention(Ops ops) {
        super(ops.efficient());
    }

    @Override
    public Kind kind() {
        return Kind.EFFICIENT;
    }
}
