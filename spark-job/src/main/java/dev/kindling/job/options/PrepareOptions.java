package dev.kindling.job.options;

import dev.kindling.config.DataSection.TokenizerKind;

/**
 * Options of {@code prepare}.
 *
 * @param corpus {@code shakespeare}, or a text file, folder or Hadoop path
 * @param out the directory for the shards, on any Hadoop file system
 */
public record PrepareOptions(String corpus, TokenizerKind tokenizer, String out, boolean verbose) {}
