package dev.kindling.job;

import dev.kindling.train.ClusterSection.AttentionChoice;
import dev.kindling.train.ClusterSection.DeviceChoice;
import dev.kindling.train.TrainSection.PrecisionChoice;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Options of {@code evaluate}.
 *
 * @param checkpoint a run directory (its latest committed checkpoint) or a checkpoint directory
 * @param out the directory to make
 * @param batch windows a forward pass; empty for the checkpoint's train.micro_batch
 * @param stride tokens by which windows advance; empty for block_size
 * @param skipBad whether documents that cannot be scored are counted and passed over
 */
public record EvaluateOptions(
        String checkpoint,
        Data data,
        String out,
        Cluster cluster,
        OptionalInt batch,
        OptionalInt stride,
        boolean skipBad,
        boolean verbose) {

    /**
     * What to evaluate: a path, or a split of the checkpoint's own run.
     *
     * @param column a table's column of text
     * @param idColumn a table's column of ids
     */
    public record Data(
            Optional<String> path, Optional<String> column, Optional<String> idColumn, Optional<String> split) {}

    /**
     * Where to run.
     *
     * @param executors empty for one a GPU of this host, or two
     * @param partitions tasks; 0 for as many as suit the data
     */
    public record Cluster(
            OptionalInt executors,
            int partitions,
            DeviceChoice device,
            AttentionChoice attention,
            PrecisionChoice precision) {}
}
