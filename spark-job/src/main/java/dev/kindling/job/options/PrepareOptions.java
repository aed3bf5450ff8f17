package dev.kindling.job.options;

import dev.kindling.config.DataSection.TokenizerKind;
import java.util.Optional;

/**
 * Options of {@code prepare}.
 *
 * @param corpus {@code shakespeare}, or a text file, table, folder or Hadoop path
 * @param column of the text, where the corpus is a table
 * @param out the directory for the shards, on any Hadoop file system
 */
public record PrepareOptions(
        String corpus, Optional<String> column, TokenizerKind tokenizer, String out, boolean verbose) {}
