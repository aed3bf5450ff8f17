package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import java.io.Serializable;

/**
 * {@code data}: where the text comes from ({@code shakespeare}, or any text file, folder or Hadoop path), and how it
 * becomes batches.
 */
public record DataSection(String corpus, TokenizerKind tokenizer, double valFraction, Packing packing)
        implements Serializable {

    public enum TokenizerKind {
        CHAR,
        GPT2
    }

    /** Random windows over the token stream (nanoGPT), or whole documents packed side by side. */
    public enum Packing {
        WINDOWS,
        DOCUMENTS
    }

    static final DataSection DEFAULT = new DataSection("shakespeare", TokenizerKind.CHAR, 0.1, Packing.WINDOWS);

    public DataSection {
        check(!corpus.isBlank(), "data.corpus is empty; set it to shakespeare or to a path of text");
        check(
                valFraction > 0 && valFraction < 1,
                "data.val_fraction is %s, but both parts need text; set it between 0 and 1, for example 0.1",
                valFraction);
    }
}
