package dev.kindling.prepare;

import dev.kindling.data.corpus.Document;
import dev.kindling.data.corpus.TextCorpus;
import dev.kindling.data.corpus.TextSource;
import dev.kindling.storage.Storage;
import java.io.Serializable;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * A document of a corpus as the driver hands it to a task: its text, or where the task can read it.
 *
 * @param name the document's id
 * @param text null where {@code uri} says where it is
 * @param uri null where the text is given
 */
record SourceDocument(String corpus, String name, String text, String uri) implements Serializable {

    static SourceDocument inline(String corpus, Document document) {
        return new SourceDocument(corpus, document.id(), document.text(), null);
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
