package dev.kindling.exchange;

import dev.kindling.allreduce.Rounding;
import dev.kindling.config.ClusterSection.Compression;
import dev.kindling.config.TrainConfig;

/**
 * How gradients are rounded in each step. With {@code cluster.compression: bf16} the step before a checkpoint sends the
 * residuals of all ranks as well, so that no checkpoint need hold them: training from one goes on as if it had not
 * stopped, on any number of ranks. The best checkpoint may be that of any evaluation.
 */
public record RoundingSchedule(Compression compression, int checkpointInterval, int evalInterval, int maxSteps) {
    public static RoundingSchedule of(TrainConfig config) {
        return new RoundingSchedule(
                config.cluster().compression(),
                config.checkpoint().interval(),
                config.train().evalInterval(),
                config.train().maxSteps());
    }

    /** The rounding of step {@code step}, counted from 0. */
    public Rounding at(long step) {
        if (compression == Compression.NONE) {
            return Rounding.NONE;
        }
        long done = step + 1;
        boolean checkpoint = done % checkpointInterval == 0 || done % evalInterval == 0 || done == maxSteps;
        return checkpoint ? Rounding.SETTLED : Rounding.BF16;
    }
}
