package dev.kindling.exchange;

import dev.kindling.allreduce.Rounding;
import dev.kindling.config.ClusterSection.Compression;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Optional;

/**
 * Error feedback for a rank's gradients that travel in bf16 (Seide et al., Interspeech 2014): what rounding takes from a
 * gradient in one step is kept, in F32 and in the layout of the flat buffers, and added to that gradient in the next.
 */
final class GradientResidual {
    private final Gpt.DeviceArena memory;
    private final Tensor gradients;
    private final Tensor residual;

    private GradientResidual(Gpt.DeviceArena memory, Parameters parameters) {
        this.memory = memory;
        gradients = parameters.gradients();
        residual = memory.arena().allocate("residual of gradients", DType.F32, parameters.count());
        memory.device().ops().fill(residual, 0);
    }

    /** A residual of zeros; none where gradients are not compressed, or do not travel. */
    static Optional<GradientResidual> of(
            Compression compression, RankLinks ranks, Gpt.DeviceArena memory, Parameters parameters) {
        return compression == Compression.BF16 && ranks.worldSize() > 1
                ? Optional.of(new GradientResidual(memory, parameters))
                : Optional.empty();
    }

    /**
     * Replaces the gradients of a range by what is sent in their place: with BF16, gradient + residual rounded to bf16, and
     * the residual becomes what that took away; with SETTLED, gradient + residual, and the residual becomes 0.
     */
    void apply(Rounding rounding, Range range) {
        Tensor from = residual.slice(0, range.offset(), range.length());
        Tensor to = gradients.slice(0, range.offset(), range.length());
        if (rounding == Rounding.BF16) {
            memory.device().ops().roundToBf16(to, from);
        } else if (rounding == Rounding.SETTLED) {
            memory.device().ops().add(from, to);
            memory.device().ops().fill(from, 0);
        }
    }
}
