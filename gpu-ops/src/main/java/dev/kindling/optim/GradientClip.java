package dev.kindling.optim;

import dev.kindling.device.Ops;
import dev.kindling.tensor.Tensor;

/**
 * Clips by the global norm: finds the scale min(1, maxNorm / (norm + 1e-6)), which {@link AdamW} applies as it reads the
 * gradients (Pascanu et al., arXiv:1211.5063).
 *
 * @param maxNorm 0 for no clipping
 */
public record GradientClip(Ops ops, float maxNorm) {
    public void apply(Tensor gradients) {
        ops.gradientNorm(gradients, maxNorm);
    }
}
