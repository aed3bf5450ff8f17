package dev.kindling.job.options;

import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.tensor.DType;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Options of {@code attention}: shapes (B, H, T, D), with T from {@code lengths}.
 *
 * @param module whether a causal self-attention layer is timed, eager and captured, in place of the backends
 * @param packed the mean length of the sequences of which that layer takes a batch, padded to T and packed; or empty
 * @param dtype empty for bf16 on a GPU and fp32 on the CPU
 */
public record AttentionOptions(
        int batch,
        int heads,
        List<Integer> lengths,
        int headDim,
        Optional<DType> dtype,
        boolean causal,
        boolean backward,
        float dropout,
        boolean module,
        OptionalInt packed,
        DeviceChoice device) {}
