package dev.kindling.plan;

import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.model.GptConfigs;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.parameter.GptConfig;
import java.util.function.UnaryOperator;

/**
 * A rank whose memory is planned.
 *
 * @param vocabulary number of token ids
 * @param shape of its micro-batches
 * @param cuda whether its device is a GPU, or the CPU
 * @param ranks world size
 */
public record PlannedRank(TrainConfig config, int vocabulary, BatchShape shape, boolean cuda, int ranks) {
    GptConfig model() {
        return GptConfigs.of(config.model(), vocabulary);
    }

    /** Of one value in the activation type: bf16 on a GPU, unless it is to compute in fp32. */
    int activationBytes() {
        return cuda && config.train().precision() != PrecisionChoice.FP32 ? 2 : 4;
    }

    /** Whether the products of its blocks are in FP8. */
    boolean fp8() {
        return config.train().precision() == PrecisionChoice.FP8;
    }

    /** Whether those of its classifier are, too. */
    boolean fp8Head() {
        return config.train().fp8Head();
    }

    /** Whether the optimizer's state is divided among the ranks. */
    boolean sharded() {
        return config.train().zero() == 1 && ranks > 1;
    }

    /** How many parts of a sharded optimizer's state it keeps: its own, and copies of others'. */
    int parts() {
        return Math.min(ranks, 1 + config.cluster().redundancy());
    }

    /** Whether attention is planned with the MATH backend's probabilities: where it is asked for by name. */
    boolean keepsProbabilities() {
        return config.cluster().attention() == AttentionChoice.MATH;
    }

    PlannedRank withMicroBatch(int sequences) {
        return new PlannedRank(
                config.withTrain(train -> train.withMicroBatch(sequences)),
                vocabulary,
                new BatchShape(sequences, shape.length(), shape.packedSequences()),
                cuda,
                ranks);
    }

    PlannedRank withZero() {
        return with(train -> train.withZero(1));
    }

    /** The same with other settings of training that leave the shape of the micro-batches. */
    PlannedRank with(UnaryOperator<TrainSection> change) {
        return new PlannedRank(config.withTrain(change), vocabulary, shape, cuda, ranks);
    }
}
