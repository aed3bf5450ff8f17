package dev.kindling.prepare;

import dev.kindling.data.DataException;
import dev.kindling.data.corpus.Document;
import dev.kindling.data.token.TextCuts;
import dev.kindling.input.Format;
import dev.kindling.input.InputFile;
import dev.kindling.input.TableRow;
import dev.kindling.input.TableRows;
import dev.kindling.input.TextFile;
import dev.kindling.input.TextPieces;
import java.io.Serializable;

/** What a task reads of a corpus at a time: a scene, or a range of a file. */
sealed interface CorpusPart extends Serializable {
    /** 64 MiB. */
    long RANGE_BYTES = 1 << 26;

    /** What opening a file costs, in bytes. */
    long OPENING_BYTES = 1 << 16;

    /** Takes the documents of a corpus, piece by piece. */
    interface Sink {
        /** The next piece of the document that is being read; it may have begun in the part before. */
        void text(String document, String piece);

        /** The document that is being read has ended; one that has not goes on in the next part. */
        default void endDocument() {}
    }

    /** Of reading it, in bytes. */
    long cost();

    /**
     * Reads it from its beginning to its end.
     *
     * @throws DataException if it cannot be read, or is not text
     */
    void read(Sink to);

    /** Text that the driver has read. */
    record Scene(String id, String text) implements CorpusPart {
        Scene(Document document) {
            this(document.id(), document.text());
        }

        @Override
        public long cost() {
            return text.length();
        }

        @Override
        public void read(Sink to) {
            to.text(id, text);
            to.endDocument();
        }
    }

    /** Bytes of a file, from the first cut or row in them on, to the first after them; of a compressed file, all. */
    record Range(InputFile file, long begin, long end, TextCuts cuts) implements CorpusPart {
        @Override
        public long cost() {
            return OPENING_BYTES + end - begin;
        }

        @Override
        public void read(Sink to) {
            if (file.format() == Format.TEXT) {
                TextFile.use(file, cuts, text -> {
                    long last = text.cut(end);
                    TextPieces pieces = text.pieces(text.cut(begin), last);
                    String piece = pieces.next();
                    boolean any = piece != null;
                    for (; piece != null; piece = pieces.next()) {
                        to.text(file.name(), piece);
                    }
                    if (any && last == file.bytes()) {
                        to.endDocument();
                    }
                });
            } else {
                rows(to);
            }
        }

        private void rows(Sink to) {
            try (TableRows rows = TableRows.of(file, begin, end)) {
                for (TableRow row = rows.next(); row != null; row = rows.next()) {
                    if (row.problem() != null) {
                        throw new DataException("%s; mend the table", row.problem());
                    }
                    String id = row.id();
                    TextPieces.forEach(row.text(), cuts, piece -> to.text(id, piece));
                    to.endDocument();
                }
            }
        }
    }
}
