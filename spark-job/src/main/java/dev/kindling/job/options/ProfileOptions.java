package dev.kindling.job.options;

import java.util.List;
import java.util.Optional;

/**
 * Options of {@code profile}.
 *
 * @param config path, URI or built-in name of the configuration; absent for the one that fits the device
 * @param out directory to make for trace.json and operators.json, on any Hadoop file system
 * @param steps that are timed, after a warm-up
 * @param overrides {@code section.key=value} in order: {@code --set}, then the short forms of the cluster keys
 */
public record ProfileOptions(Optional<String> config, String out, int steps, List<String> overrides, boolean verbose) {}
