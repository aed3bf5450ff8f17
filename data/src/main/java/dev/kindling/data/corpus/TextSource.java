package dev.kindling.data.corpus;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;

/**
 * A named stream of UTF-8 text, opened when it is read: how {@link TextCorpus} reads files that
 * are not on a local disk.
 *
 * @param name unique in its corpus, and what errors call it: a path relative to the corpus
 * @param opener opens the text from its beginning; the reader closes the stream
 */
public record TextSource(String name, Opener opener) {
    /** Opens the text from its beginning. */
    @FunctionalInterface
    public interface Opener {
        InputStream open() throws IOException;
    }

    public TextSource {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(opener, "opener");
    }

    /** A file on a local disk. */
    public static TextSource of(String name, Path file) {
        return new TextSource(name, () -> Files.newInputStream(file));
    }
}
