package dev.kindling.exchange;

import dev.kindling.config.ClusterSection.Compression;
import dev.kindling.model.FlatTarget;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Tensor;
import java.util.Optional;

/**
 * {@code train.zero: 1}, ZeRO stage 1 (Rajbhandari et al., arXiv:1910.02054): a rank gets the sums of {@link
 * Parameters#own} alone, updates those weights and gives them to the others.
 */
public interface ZeroExchange extends GradientExchange {
    /** The exchange from GPU to GPU where the ranks have that, else over the hosts. */
    static ZeroExchange of(
            RankLinks ranks, Gpt.DeviceArena memory, Parameters parameters, GradientSum sum, Compression compression) {
        return ranks.gpus().isPresent()
                ? new DeviceZeroExchange(ranks.gpus().get(), memory.device(), parameters, sum.losses())
                : new HostZeroExchange(
                        ranks.allReduce(),
                        memory,
                        parameters,
                        sum,
                        GradientResidual.of(compression, ranks, memory, parameters));
    }

    /**
     * Gathers on rank 0 what every rank holds for its own weights: F32 weights or moments. All ranks call it together. The
     * gradients are overwritten.
     *
     * @param own (own count)
     * @param target takes all of them, in the layout of the flat buffers; empty on the other ranks
     */
    void collect(Tensor own, Optional<FlatTarget> target);
}
