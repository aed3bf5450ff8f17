package dev.kindling.attention;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.FusedAttention;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Optional;

/** What the two fused backends share: a device kernel, which says what it saves. */
abstract sealed class FusedBackend implements AttentionBackend permits FlashAttention, EfficientAttention {
    private final FusedAttention kernel;

    FusedBackend(FusedAttention kernel) {
        this.kernel = kernel;
    }

    @Override
    public Optional<String> whyNot(AttentionShape shape) {
        return kernel.whyNot(shape);
    }

    @Override
    public Saved saved(AttentionInputs inputs) {
        return new Saved(DType.F32, kernel.saved(inputs));
    }

    @Override
    public void forward(AttentionInputs inputs, Tensor out, Tensor saved) {
        kernel.forward(inputs, out, saved);
    }

    @Override
    public void backward(AttentionInputs inputs, Tensor out, Tensor saved, AttentionInputs.Gradients gradients) {
        kernel.backward(inputs, out, saved, gradients);
    }
}
