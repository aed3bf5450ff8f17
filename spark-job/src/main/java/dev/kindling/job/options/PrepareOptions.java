package dev.kindling.job.options;

/**
 * Options of {@code prepare}.
 *
 * @param corpus {@code shakespeare}, or a text file, folder or Hadoop path
 * @param tokenizer {@code char} or {@code gpt2}
 * @param out the directory for the shards, on any Hadoop file system
 */
public record PrepareOptions(String corpus, String tokenizer, String out, boolean verbose) {}
