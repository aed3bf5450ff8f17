package dev.kindling.input;

import dev.kindling.data.corpus.NotTextException;
import dev.kindling.data.corpus.Utf8Decoder;
import dev.kindling.data.token.TextCuts;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.Locale;
import java.util.function.Consumer;

/** Text in pieces that can be tokenised each for itself; the memory that they take does not depend on the text's length. */
public final class TextPieces {
    /** Characters of a piece, or a few more. */
    static final int PIECE = 1 << 17;

    /** Longer ones, which have no place to be cut, are refused: 16 Mi characters. */
    static final int LONGEST = 1 << 24;

    private static final int BUFFER_BYTES = 1 << 16;

    private final InputStream in;
    private final TextCuts cuts;
    private final Utf8Decoder decoder;
    private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES).flip();
    private final StringBuilder text = new StringBuilder();
    private long left;
    private boolean ended;

    /** Divides a text that is in memory. */
    public static void forEach(String text, TextCuts cuts, Consumer<String> pieces) {
        for (int at = 0; at < text.length(); ) {
            int cut = cuts.first(text, at + PIECE);
            int end = cut < 0 ? text.length() : cut;
            pieces.accept(text.substring(at, end));
            at = end;
        }
    }

    /**
     * @param in stays open
     * @param offset in its document of the first byte
     * @param bytes to read at most
     */
    TextPieces(InputStream in, long offset, long bytes, TextCuts cuts) {
        this.in = in;
        this.cuts = cuts;
        decoder = new Utf8Decoder(offset);
        left = bytes;
    }

    /**
     * The next piece; null after the last.
     *
     * @throws NotTextException if the text is binary or not UTF-8, or goes on for too long without a place to cut
     */
    public String next() throws IOException {
        for (int from = PIECE; ; from = Math.max(PIECE, text.length() - 1)) {
            fill(from + 2);
            int cut = cuts.first(text, from);
            if (cut < 0 && ended) {
                cut = text.length();
            }
            if (cut >= 0) {
                String piece = text.substring(0, cut);
                text.delete(0, cut);
                return piece.isEmpty() ? null : piece;
            }
            if (text.length() > LONGEST) {
                throw new NotTextException(String.format(
                        Locale.ROOT,
                        "has no place to divide it in %,d characters: they are all letters, or all white space; is it text?",
                        text.length()));
            }
        }
    }

    /** Reads until there are so many characters, or no more. */
    private void fill(int characters) throws IOException {
        while (!ended && text.length() < characters) {
            buffer.compact();
            int wanted = (int) Math.min(buffer.remaining(), left);
            int read = wanted == 0 ? -1 : in.read(buffer.array(), buffer.position(), wanted);
            if (read < 0) {
                ended = true;
            } else {
                buffer.position(buffer.position() + read);
                left -= read;
            }
            decoder.decode(buffer.flip(), ended, text);
        }
    }
}
