package dev.kindling.job.command;

import dev.kindling.checkpoint.WhichCheckpoint;
import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.job.options.DeviceSettings;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Options of commands that run a checkpoint's model. */
@Command
final class CheckpointMixin {
    @Option(
            names = "--checkpoint",
            required = true,
            paramLabel = "DIR",
            description = "A run directory (its best checkpoint is taken, see --which) or a checkpoint directory.")
    private String checkpoint;

    @Option(
            names = "--which",
            paramLabel = "NAME",
            defaultValue = "best",
            description = "Checkpoint of a run directory: best (the lowest validation loss, the default) or latest.")
    private String which;

    @Option(names = "--device", paramLabel = "NAME", defaultValue = "auto", description = "auto, cpu or cuda.")
    private String device;

    @Option(
            names = "--attention",
            paramLabel = "NAME",
            defaultValue = "auto",
            description = "auto, math, flash or efficient; flash alone packs evaluate's short documents side by side.")
    private String attention;

    @Option(names = "--precision", paramLabel = "NAME", defaultValue = "auto", description = "auto, bf16 or fp32.")
    private String precision;

    String checkpoint() {
        return checkpoint;
    }

    WhichCheckpoint which() {
        return OptionValues.of("--which", which, WhichCheckpoint.class);
    }

    DeviceSettings hardware() {
        return new DeviceSettings(
                OptionValues.of("--device", device, DeviceChoice.class),
                OptionValues.of("--attention", attention, AttentionChoice.class),
                OptionValues.of("--precision", precision, PrecisionChoice.class));
    }
}
