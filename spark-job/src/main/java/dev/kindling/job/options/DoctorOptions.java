package dev.kindling.job.options;

import dev.kindling.config.ConfigOverrides;

/**
 * Options of {@code doctor}.
 *
 * @param out the directory in which runs will be kept
 * @param overrides of the configuration
 */
public record DoctorOptions(String out, ConfigOverrides overrides) {}
