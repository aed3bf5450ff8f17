package dev.kindling.job.command;

import dev.kindling.checkpoint.WhichCheckpoint;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Options by which a user names a checkpoint. */
@Command
final class ChosenMixin {
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

    String checkpoint() {
        return checkpoint;
    }

    WhichCheckpoint which() {
        return OptionValues.of("--which", which, WhichCheckpoint.class);
    }
}
