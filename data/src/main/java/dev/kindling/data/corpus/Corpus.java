package dev.kindling.data.corpus;

import java.util.stream.Stream;

/**
 * Text by document, in an order that is the same on every run and every machine. The documents,
 * one after the other with nothing between them, are the corpus's text.
 */
public interface Corpus {
    /** A short name for messages and manifests, such as {@code shakespeare}. */
    String id();

    /**
     * The documents, read lazily; every call reads again. The caller closes the stream.
     *
     * @throws dev.kindling.data.DataException (also while the stream is read) if the text is missing,
     *     empty or not UTF-8
     */
    Stream<Document> documents();
}
