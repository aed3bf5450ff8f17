package dev.kindling.exchange;

import dev.kindling.allreduce.Rounding;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.Parameters;
import dev.kindling.nn.Parameters.Range;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;

/** What rounding has taken from a rank's own gradients so far, in the layout of the flat buffers; 0 at first. */
public final class GradientResidual {
    private final Gpt.DeviceMemory memory;
    private final Tensor gradients;
    private final Tensor residual;

    public GradientResidual(Gpt.DeviceMemory memory, Parameters parameters) {
        this.memory = memory;
        gradients = parameters.gradients();
        residual = memory.arena().allocate("residual of gradients", DType.F32, parameters.count());
        memory.device().ops().fill(residual, 0);
    }

    /** Makes a range of the gradients what is sent of it. */
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
