package dev.kindling.job.options;

import dev.kindling.checkpoint.WhichCheckpoint;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Options of {@code evaluate}.
 *
 * @param checkpoint a run directory or a checkpoint directory
 * @param which checkpoint of a run directory
 * @param out the directory to make
 * @param batch windows per forward pass; empty for the checkpoint's train.micro_batch
 * @param stride tokens by which windows advance; empty for block_size
 */
public record EvaluateOptions(
        String checkpoint,
        WhichCheckpoint which,
        DeviceSettings hardware,
        Data data,
        String out,
        TaskSettings tasks,
        OptionalInt batch,
        OptionalInt stride) {

    /**
     * What to evaluate: a path, a split of the checkpoint's own run, or a task.
     *
     * @param column name of a table's column of text
     * @param idColumn name of a table's column of ids
     * @param task a file of items
     */
    public record Data(
            Optional<String> path,
            Optional<String> column,
            Optional<String> idColumn,
            Optional<String> split,
            Optional<String> task) {}
}
