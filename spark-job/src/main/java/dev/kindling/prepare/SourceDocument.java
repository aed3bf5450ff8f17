package dev.kindling.prepare;

import dev.kindling.data.corpus.Document;
import dev.kindling.data.corpus.TextCorpus;
import dev.kindling.data.corpus.TextSource;
import dev.kindling.storage.Storage;
import java.io.Serializable;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;

/**
 * A document of a corpus, as the driver hands it to a task: its text, or where the task can read it.
 *
 * @param name the document's id
 * @param text null if {@code uri} says where it is
 * @param uri null if the text is given
 * @param cost of reading it, in bytes; includes what every file costs, even an empty one
 */
record SourceDocument(String corpus, String name, String text, String uri, long cost) implements Serializable {
    private static final long OPENING_BYTES = 1 << 16;

    static SourceDocument inline(String corpus, Document document) {
        return new SourceDocument(
                corpus, document.id(), document.text(), null, document.text().length());
    }

    static SourceDocument file(String corpus, String name, FileStatus file) {
        return new SourceDocument(corpus, name, null, file.getPath().toString(), OPENING_BYTES + file.getLen());
    }

    Document read(Configuration hadoop) {
        if (text != null) {
            return new Document(name, text);
        }
        Path path = new Path(uri);
        return TextCorpus.read(
                corpus,
                new TextSource(name, () -> Storage.of(path, hadoop).files().open(path)));
    }
}
