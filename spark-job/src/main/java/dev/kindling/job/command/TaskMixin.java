package dev.kindling.job.command;

import dev.kindling.config.ClusterSection;
import dev.kindling.job.options.TaskSettings;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Options of ordinary Spark jobs (those without a barrier). */
@Command
final class TaskMixin {
    @Option(
            names = "--executors",
            paramLabel = "N",
            description = "Executors. Default: 2, or one for each GPU of this host.")
    private Integer executors;

    @Option(
            names = "--partitions",
            paramLabel = "N",
            description = "The most tasks. Default: as many as suit the work.")
    private Integer partitions;

    @Option(
            names = "--on-error",
            paramLabel = "WHAT",
            description = "fail (the default), or skip: count and report documents or prompts that cannot be used.")
    private String onError;

    /** The name of the first of these options that was given; null if none was. */
    String given() {
        if (executors != null) {
            return "--executors";
        }
        return partitions != null ? "--partitions" : onError != null ? "--on-error" : null;
    }

    TaskSettings settings() {
        return new TaskSettings(
                OptionValues.upTo(ClusterSection.MOST_EXECUTORS, "--executors", executors),
                OptionValues.upTo(OptionValues.MOST, "--partitions", partitions),
                onError != null && OptionValues.of("--on-error", onError, OnError.class) == OnError.SKIP);
    }

    private enum OnError {
        FAIL,
        SKIP
    }
}
