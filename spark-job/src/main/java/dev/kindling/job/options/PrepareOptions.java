package dev.kindling.job.options;

import dev.kindling.config.DataSection.TokenizerKind;
import java.util.Optional;

/**
 * Options of {@code prepare}.
 *
 * @param corpus {@code shakespeare}, or a text file, table, folder or Hadoop path
 * @param column of the text, where the corpus is a table
 * @param valFraction the share of the text that validates, in (0, 1)
 * @param format of what is written
 * @param out the directory for it, on any Hadoop file system
 */
public record PrepareOptions(
        String corpus,
        Optional<String> column,
        TokenizerKind tokenizer,
        double valFraction,
        Format format,
        String out) {
    /** Who reads what is written. */
    public enum Format {
        /** Kindling's own shards, under checksums. */
        SHARDS,
        /** nanoGPT's {@code train.bin} and {@code val.bin}. */
        NANOGPT,
        /** llm.c's files, with its header. */
        LLMC
    }
}
