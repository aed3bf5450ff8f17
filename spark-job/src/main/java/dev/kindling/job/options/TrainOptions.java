package dev.kindling.job.options;

import dev.kindling.config.ConfigOverrides;
import dev.kindling.run.Resume;
import java.util.Optional;

/**
 * Options of {@code train}.
 *
 * @param config path, URI or built-in name of the configuration; empty for the one that fits the device
 * @param out the run directory, on any Hadoop file system
 * @param resume what becomes of a run that is there
 * @param overrides of the configuration
 * @param export the format of a folder to write into the run directory at the end
 * @param tracking by an MLflow server
 * @param verbose whether to print where the time before the first step went
 */
public record TrainOptions(
        Optional<String> config,
        String out,
        Resume resume,
        ConfigOverrides overrides,
        Optional<ExportOptions.Format> export,
        Optional<TrackingOptions> tracking,
        boolean verbose) {}
