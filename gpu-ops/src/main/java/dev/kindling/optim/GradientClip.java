package dev.kindling.optim;

import dev.kindling.device.Ops;
import dev.kindling.tensor.Tensor;

/**
 * Clips by the global norm (Pascanu et al., arXiv:1211.5063): computes the scale min(1, maxNorm / (norm + 1e-6)) on the
 * device. The gradients stay as they are; {@link AdamW} applies the scale when it reads them.
 *
 * @param maxNorm 0 for no clipping
 */
public record GradientClip(Ops ops, float maxNorm) {
    public void apply(Tensor gradients) {
        ops.gradientNorm(gradients, maxNorm);
    }
}
