package dev.kindling.job.options;

/**
 * Options of {@code import}.
 *
 * @param from a folder of Hugging Face's transformers, on any Hadoop file system
 * @param out the run directory to make
 */
public record ImportOptions(String from, String out) {}
