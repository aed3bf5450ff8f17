package dev.kindling.job.options;

import java.util.List;

/**
 * Options of {@code doctor}.
 *
 * @param out the directory that runs are to be kept in
 * @param overrides configuration keys, of the form {@code section.key=value}
 */
public record DoctorOptions(String out, List<String> overrides, boolean verbose) {}
