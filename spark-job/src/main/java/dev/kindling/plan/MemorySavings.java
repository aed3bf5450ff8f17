package dev.kindling.plan;

import dev.kindling.config.EnumText;
import dev.kindling.config.StoredType;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.nn.Activations;
import dev.kindling.nn.Recompute;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What settings of their own would save of a rank's plan.
 *
 * @param now how the rank holds its activations
 * @param raise as of {@link MemoryFit.Available}
 */
record MemorySavings(PlannedRank rank, Activations now, Optional<String> raise) {
    /** The settings that save so much, the ones that leave training as it is first. */
    String text(long missing) {
        List<String> ways = new ArrayList<>();
        addRecompute(missing, ways);
        addMicroBatch(missing, ways);
        TrainConfig config = rank.config();
        if (rank.ranks() > 1 && !rank.sharded()) {
            add("set train.zero to 1", saved(rank.withZero(), now), missing, ways);
        }
        if (config.train().gradients() == StoredType.FP32
                && config.train().reduction() == TrainSection.Reduction.RANK) {
            PlannedRank other = rank.with(train -> train.withStored(train.moments(), StoredType.BF16));
            add("set train.gradients to bf16", saved(other, now), missing, ways);
        }
        if (config.train().moments() == StoredType.FP32) {
            PlannedRank other = rank.with(train -> train.withStored(StoredType.BF16, train.gradients()));
            add("set train.moments to bf16", saved(other, now), missing, ways);
        }
        long needed = MemoryPlan.of(rank, now).total() + missing;
        ways.add(raise.map(how -> how + (((needed + needed / 7) >> 20) + 1) + "m")
                .orElse("free the GPU of others (nvidia-smi lists its users)"));
        return String.join(", or ", ways);
    }

    /** The first that saves enough. */
    private void addRecompute(long missing, List<String> ways) {
        for (Recompute more : Recompute.values()) {
            Activations way = new Activations(more, now.headRows());
            if (more.compareTo(now.recompute()) > 0
                    && add("set train.recompute to " + EnumText.of(more), saved(rank, way), missing, ways)) {
                return;
            }
        }
        if (now.headRows() == 0) {
            Activations way = new Activations(now.recompute(), Activations.HEAD_SLICE);
            add("set train.head_chunk to " + Activations.HEAD_SLICE, saved(rank, way), missing, ways);
        }
    }

    /** The largest that saves enough. */
    private void addMicroBatch(long missing, List<String> ways) {
        for (int batch = rank.shape().batch() - 1; batch >= 1; batch--) {
            if (rank.config().train().globalBatch() % batch == 0
                    && add(
                            "lower train.micro_batch to " + batch,
                            saved(rank.withMicroBatch(batch), now),
                            missing,
                            ways)) {
                return;
            }
        }
    }

    private long saved(PlannedRank other, Activations way) {
        return MemoryPlan.of(rank, now).total() - MemoryPlan.of(other, way).total();
    }

    private static boolean add(String setting, long saves, long missing, List<String> ways) {
        if (saves <= missing) {
            return false;
        }
        ways.add(setting + " (saves " + MemoryFit.size(saves) + ")");
        return true;
    }
}
