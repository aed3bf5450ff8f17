package dev.kindling.attention;

import dev.kindling.device.Ops;

/**
 * Memory-efficient attention (Rabe and Staats, arXiv:2112.05682) with its own kernel: every floating type, arbitrary
 * masks with broadcasting, value width unlike the head dimension. CUDA only.
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
