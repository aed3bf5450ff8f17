package dev.kindling.job.options;

import dev.kindling.config.ConfigOverrides;
import java.util.Optional;

/**
 * Options of {@code profile}.
 *
 * @param config path, URI or built-in name of the configuration; empty for the one that fits the device
 * @param out directory to make for trace.json and operators.json, on any Hadoop file system
 * @param steps to time, after a warm-up
 * @param overrides of the configuration
 */
public record ProfileOptions(Optional<String> config, String out, int steps, ConfigOverrides overrides) {}
