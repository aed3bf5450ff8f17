package dev.kindling.evaluate;

import dev.kindling.data.DataException;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.input.FileCompression;
import dev.kindling.input.InputFile;
import dev.kindling.input.TextFile;
import dev.kindling.input.TextPieces;
import java.io.IOException;
import java.util.Arrays;

/**
 * A segment of a text file: from the first cut at or after its beginning to the first at or after its end, so that segments
 * tokenise to what the whole would. What comes before it is read again as context. A compressed file, which can be read
 * from its beginning only, is one segment.
 */
record TextSegment(InputFile file, long number) implements Passage {
    private static final int STEP_BYTES = 1 << 12;

    @Override
    public String id() {
        return file.name();
    }

    @Override
    public boolean whole() {
        return file.ranges(Segments.BYTES) == 1;
    }

    /** What a document begins with: an end of text before it, where the tokenizer has one. */
    static int[] beginning(Tokenizer tokenizer) {
        return tokenizer.endOfText().isPresent()
                ? new int[] {tokenizer.endOfText().getAsInt()}
                : new int[0];
    }

    @Override
    public void read(Tokenizer tokenizer, int block, Tokens to) {
        TextFile.use(file, tokenizer.cuts(), text -> {
            if (file.compression() != FileCompression.NONE) {
                all(text, tokenizer, to);
                return;
            }
            long begin = text.cut(number * Segments.BYTES);
            long end = text.cut((number + 1) * Segments.BYTES);
            if (begin < end || number == 0) {
                to.begin(context(text, begin, tokenizer, block));
                to.score(encode(text.text(begin, end), begin, tokenizer));
            }
        });
    }

    private void all(TextFile text, Tokenizer tokenizer, Tokens to) throws IOException {
        to.begin(beginning(tokenizer));
        TextPieces pieces = text.pieces(0, Long.MAX_VALUE);
        long characters = 0;
        for (String piece = pieces.next(); piece != null; piece = pieces.next()) {
            to.score(encode(piece, characters, tokenizer));
            characters += piece.length();
        }
    }

    /** The last {@code block} tokens before a cut, or all that there are. */
    private int[] context(TextFile text, long before, Tokenizer tokenizer, int block) throws IOException {
        int[] start = beginning(tokenizer);
        for (long span = 8L * block + STEP_BYTES; ; span *= 2) {
            long from = before <= span ? 0 : text.cut(before - span);
            int[] tokens = from < before ? encode(text.text(from, before), from, tokenizer) : new int[0];
            if (tokens.length >= block) {
                return Arrays.copyOfRange(tokens, tokens.length - block, tokens.length);
            }
            if (from == 0) {
                int[] all = Arrays.copyOf(start, start.length + tokens.length);
                System.arraycopy(tokens, 0, all, start.length, tokens.length);
                return all;
            }
        }
    }

    private int[] encode(String text, long from, Tokenizer tokenizer) {
        try {
            return tokenizer.encode(text);
        } catch (DataException e) {
            throw new DataException(e, "document %s, from byte %,d on: %s", file.name(), from, e.getMessage());
        }
    }
}
