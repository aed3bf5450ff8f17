package dev.kindling.exchange;

import dev.kindling.optim.AdamW;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Tensor;

/** {@code train.zero: 0}: every rank updates all weights. */
public record WholeUpdate(GradientClip clip, AdamW adamW, Tensor gradients) implements WeightUpdate {
    @Override
    public void run() {
        clip.apply(gradients);
        adamW.step();
    }

    @Override
    public boolean onDevice() {
        return true;
    }
}
