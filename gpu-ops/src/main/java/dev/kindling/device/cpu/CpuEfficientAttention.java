package dev.kindling.device.cpu;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.FusedAttention;
import dev.kindling.tensor.Tensor;
import java.util.Optional;

/** EFFICIENT has no CPU implementation; this says so. */
final class CpuEfficientAttention implements FusedAttention {
    private static final String REASON = "EFFICIENT runs on CUDA only and the device is the CPU; use FLASH or MATH";

    @Override
    public Optional<String> whyNot(AttentionShape shape) {
        return Optional.of(REASON);
    }

    @Override
    public void forward(AttentionInputs inputs, Tensor out, Tensor logSumExp) {
        throw new UnsupportedOperationException(REASON);
    }

    @Override
    public void backward(AttentionInputs inputs, Tensor out, Tensor logSumExp, AttentionInputs.Gradients gradients) {
        throw new UnsupportedOperationException(REASON);
    }
}
