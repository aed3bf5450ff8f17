package dev.kindling.input;

import dev.kindling.data.DataException;
import dev.kindling.data.corpus.NotTextException;
import dev.kindling.data.corpus.Utf8Decoder;
import dev.kindling.data.token.TextCuts;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.Locale;
import org.apache.hadoop.fs.FSDataInputStream;

/** A text file that is open: the places where it can be cut, and the text between them. */
public final class TextFile implements AutoCloseable {
    private static final int STEP_BYTES = 1 << 12;
    private static final int CHARACTER_BYTES = 4;

    private final InputFile file;
    private final TextCuts cuts;
    private final FSDataInputStream stored;
    private final InputStream content;

    private TextFile(InputFile file, TextCuts cuts, FSDataInputStream stored) throws IOException {
        this.file = file;
        this.cuts = cuts;
        this.stored = stored;
        content = file.compression().open(stored, Storage.settings());
    }

    /** What is done with an open file. */
    @FunctionalInterface
    public interface Use {
        void of(TextFile text) throws IOException;
    }

    /**
     * Opens a file, uses it and closes it.
     *
     * @throws DataException if it cannot be read, or is not text
     */
    public static void use(InputFile file, TextCuts cuts, Use use) {
        try (TextFile text = new TextFile(file, cuts, file.open(Storage.settings()))) {
            use.of(text);
        } catch (NotTextException e) {
            throw new DataException(
                    e,
                    "%s of %s %s; convert it, for example with iconv -t UTF-8, or leave it out",
                    file.name(),
                    file.named(),
                    e.getMessage());
        } catch (IOException e) {
            throw file.unreadable(e);
        }
    }

    /**
     * The text from {@code begin}, between characters, to {@code end}, piece by piece; of a compressed file, all. No other
     * is read meanwhile.
     */
    public TextPieces pieces(long begin, long end) throws IOException {
        if (file.compression() != FileCompression.NONE) {
            return new TextPieces(content, 0, Long.MAX_VALUE, cuts);
        }
        stored.seek(begin);
        return new TextPieces(stored, begin, end - begin, cuts);
    }

    /** The text between two places. */
    public String text(long begin, long end) throws IOException {
        return Utf8Decoder.decode(bytes(begin, end), begin);
    }

    /** The place of the first cut at or after {@code from}, in bytes; the file's beginning and end are cuts. */
    public long cut(long from) throws IOException {
        if (from == 0 || from >= file.bytes()) {
            return Math.min(from, file.bytes());
        }
        long before = character(Math.max(0, from - CHARACTER_BYTES));
        long first = character(from);
        for (long span = STEP_BYTES; ; span *= 4) {
            long end = Math.min(file.bytes(), first + span);
            StringBuilder text = new StringBuilder(text(before, first));
            int begin = text.length();
            new Utf8Decoder(first).decode(ByteBuffer.wrap(bytes(first, end)), end == file.bytes(), text);
            int found = cuts.first(text, Math.max(1, begin));
            if (found >= 0) {
                return first + utf8Bytes(text, begin, found);
            }
            if (end == file.bytes()) {
                return end;
            }
            if (span > TextPieces.LONGEST) {
                throw new NotTextException(String.format(
                        Locale.ROOT,
                        "has no place to divide it in %,d bytes from offset %,d on: they are all letters, or all white space; is it text?",
                        span,
                        first));
            }
        }
    }

    /** Where the first character begins at or after a place. */
    private long character(long from) throws IOException {
        byte[] bytes = bytes(from, Math.min(file.bytes(), from + CHARACTER_BYTES));
        int at = 0;
        while (from > 0 && at < bytes.length && (bytes[at] & 0xC0) == 0x80) {
            at++;
        }
        return from + at;
    }

    private static long utf8Bytes(CharSequence text, int from, int to) {
        return text.subSequence(from, to)
                .codePoints()
                .mapToLong(c -> c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4)
                .sum();
    }

    private byte[] bytes(long from, long to) throws IOException {
        byte[] bytes = new byte[Math.toIntExact(to - from)];
        stored.readFully(from, bytes);
        return bytes;
    }

    @Override
    public void close() throws IOException {
        content.close();
    }
}
