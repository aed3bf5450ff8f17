package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import dev.kindling.data.token.Tokenizer;
import java.io.Serializable;

/** {@code data}: where the text comes from, and how it becomes batches. */
public record DataSection(
        @KeyDoc(
                defaultValue = "shakespeare",
                allowed = "shakespeare, or a path",
                doc =
                        "a text file, a table, a folder of them, of prepared shards or of nanoGPT's or llm.c's .bin files,"
                                + " on any Hadoop file system")
        String corpus,

        @KeyDoc(
                defaultValue = "",
                allowed = "a name",
                doc = "the column of text, where the corpus is a Parquet or JSON lines table")
        String column,

        @KeyDoc(
                defaultValue = "",
                allowed = "a name, or format.`path`",
                doc = "a table that Spark SQL reads, instead of a corpus; its text is in column")
        String table,

        @KeyDoc(
                defaultValue = "char",
                doc = "char: a token a character; gpt2: its 50257 byte pairs; bpe: those of the init_from model")
        TokenizerKind tokenizer,

        @KeyDoc(
                defaultValue = "0.1",
                allowed = "(0, 1)",
                doc = "share of the text, its end, that is for validation; prepared shards and .bin files have theirs")
        double valFraction,

        @KeyDoc(
                defaultValue = "windows",
                doc =
                        "random windows of the stream of tokens, or whole documents packed side by side, whose lengths take an executor 1 to 3 bytes each")
        Packing packing)
        implements Serializable {

    /** The corpus of a configuration that names none. */
    private static final String NO_CORPUS = "shakespeare";

    /** A token a character, GPT-2's byte pairs, or those of the model that training begins with. */
    public enum TokenizerKind {
        CHAR(65),
        GPT2(50_257),
        BPE(50_257);

        private final int usualVocabulary;

        TokenizerKind(int usualVocabulary) {
            this.usualVocabulary = usualVocabulary;
        }

        /** The kind that a tokenizer is of. */
        public static TokenizerKind of(Tokenizer tokenizer) {
            return EnumText.parse(tokenizer.id(), TokenizerKind.class).orElseThrow();
        }

        /** The size of the vocabulary where no text is read: of tiny Shakespeare's characters, of GPT-2's byte pairs. */
        public int usualVocabulary() {
            return usualVocabulary;
        }
    }

    /** Random windows over the token stream (nanoGPT), or whole documents packed side by side. */
    public enum Packing {
        WINDOWS,
        DOCUMENTS
    }

    public DataSection {
        check(!corpus.isBlank(), "data.corpus is empty; set it to shakespeare or to a path of text");
        check(
                table.isEmpty() || corpus.equals(NO_CORPUS),
                "data.table %s and data.corpus %s both name the text; leave one of them out",
                table,
                corpus);
        check(
                table.isEmpty() || !column.isEmpty(),
                "data.table is %s, but nothing says which column holds the text; set data.column",
                table);
        check(
                valFraction > 0 && valFraction < 1,
                "data.val_fraction is %s, but both parts need text; set it between 0 and 1, for example 0.1",
                valFraction);
    }

    public DataSection withCorpus(String location) {
        return new DataSection(location, column, table, tokenizer, valFraction, packing);
    }

    public DataSection withTokenizer(TokenizerKind kind) {
        return new DataSection(corpus, column, table, kind, valFraction, packing);
    }
}
