package dev.kindling.job.options;

import dev.kindling.config.ConfigOverrides;
import java.util.Optional;

/**
 * Options of {@code plan}.
 *
 * @param config path, URI or built-in name of the configuration; empty for the one that fits this host
 * @param deviceMemory of a rank, as Spark writes sizes, e.g. "80g"; empty for that of this host's device
 * @param overrides of the configuration
 */
public record PlanOptions(Optional<String> config, Optional<String> deviceMemory, ConfigOverrides overrides) {}
