package dev.kindling.job.options;

import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.tensor.DType;
import java.util.List;
import java.util.Optional;

/**
 * Options of {@code attention}: shapes (B, H, T, D), with T from {@code lengths}.
 *
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
        DeviceChoice device,
        boolean verbose) {}
