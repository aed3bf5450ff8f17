package dev.kindling.profile;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.FusedAttention;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.Optional;

/** A fused attention kernel whose calls report to a {@link Profiler}. */
final class ProfiledAttention implements FusedAttention {
    private final String name;
    private final FusedAttention attention;
    private final Profiler profiler;

    ProfiledAttention(String name, FusedAttention attention, Profiler profiler) {
        this.name = name;
        this.attention = attention;
        this.profiler = profiler;
    }

    @Override
    public Optional<String> whyNot(AttentionShape shape) {
        return attention.whyNot(shape);
    }

    @Override
    public Shape saved(AttentionInputs inputs) {
        return attention.saved(inputs);
    }

    @Override
    public void forward(AttentionInputs inputs, Tensor out, Tensor saved) {
        profiler.time(name + " forward", () -> attention.forward(inputs, out, saved));
    }

    @Override
    public void backward(AttentionInputs inputs, Tensor out, Tensor saved, AttentionInputs.Gradients gradients) {
        profiler.time(name + " backward", () -> attention.backward(inputs, out, saved, gradients));
    }
}
