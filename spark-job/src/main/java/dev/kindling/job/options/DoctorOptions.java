package dev.kindling.job.options;

import dev.kindling.config.ConfigOverrides;

/**
 * Options of {@code doctor}.
 *
 * @param out the directory that runs are to be kept in
 * @param overrides of the configuration
 */
public record DoctorOptions(String out, ConfigOverrides overrides, boolean verbose) {}
