package dev.kindling.job.command;

import dev.kindling.checkpoint.WhichCheckpoint;
import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.job.options.DeviceSettings;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Options of commands that run a checkpoint's model. */
@Command
final class CheckpointMixin {
    @Mixin
    private ChosenMixin chosen;

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
        return chosen.checkpoint();
    }

    WhichCheckpoint which() {
        return chosen.which();
    }

    DeviceSettings hardware() {
        return new DeviceSettings(
                OptionValues.of("--device", device, DeviceChoice.class),
                OptionValues.of("--attention", attention, AttentionChoice.class),
                OptionValues.of("--precision", precision, PrecisionChoice.class).requireInference("--precision"));
    }
}
