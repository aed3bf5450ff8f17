package dev.kindling.evaluate;

import dev.kindling.data.DataException;
import dev.kindling.data.corpus.TextCorpus;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.Arrays;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;

/**
 * A segment of a text file: from the first safe cut at or after its beginning to the first one at or after its end, so
 * that the segments give the same tokens as the whole file. The text before it is read again as context.
 */
record TextSegment(String data, TextFiles.File file, long number) implements Passage {
    private static final int STEP_BYTES = 1 << 12;
    private static final int MAX_BYTES = 1 << 24;

    @Override
    public String key() {
        return file.name();
    }

    @Override
    public String id() {
        return file.name();
    }

    @Override
    public boolean whole() {
        return file.segments() == 1;
    }

    @Override
    public void read(Tokenizer tokenizer, int block, Tokens to) {
        Path path = new Path(file.uri());
        try (FSDataInputStream in = Storage.of(path, Storage.settings()).files().open(path)) {
            long begin = cut(in, number * TextFiles.SEGMENT_BYTES);
            long end = cut(in, Math.min(file.bytes(), (number + 1) * TextFiles.SEGMENT_BYTES));
            if (begin < end || number == 0) {
                to.begin(context(in, begin, tokenizer, block));
                to.score(encode(in, begin, end, tokenizer));
            }
        } catch (IOException e) {
            throw new DataException(
                    "cannot read %s of --data %s (%s); check that it exists and may be read"
                            .formatted(file.name(), data, DataException.reason(e)),
                    e);
        }
    }

    /** The first safe cut at or after a place; the file's beginning and end are cuts. */
    private long cut(FSDataInputStream in, long from) throws IOException {
        if (from == 0 || from == file.bytes()) {
            return from;
        }
        for (int span = STEP_BYTES; span <= MAX_BYTES; span *= 4) {
            long end = Math.min(file.bytes(), from + span);
            int found = SafeCuts.first(bytes(in, from - SafeCuts.LOOK_BACK, end), SafeCuts.LOOK_BACK);
            if (found >= 0) {
                return from - SafeCuts.LOOK_BACK + found;
            }
            if (end == file.bytes()) {
                return end;
            }
        }
        throw new DataException(
                "%s of --data %s has no space and no line break in %,d bytes from offset %,d on, so it cannot be read piece by piece; is it text?"
                        .formatted(file.name(), data, MAX_BYTES, from));
    }

    /** The last {@code block} tokens before a cut, or all that there are. */
    private int[] context(FSDataInputStream in, long before, Tokenizer tokenizer, int block) throws IOException {
        int[] start = tokenizer.endOfText().isPresent()
                ? new int[] {tokenizer.endOfText().getAsInt()}
                : new int[0];
        for (long span = 8L * block + STEP_BYTES; ; span *= 2) {
            long from = before <= span + SafeCuts.LOOK_BACK ? 0 : cut(in, before - span);
            int[] tokens = from < before ? encode(in, from, before, tokenizer) : new int[0];
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

    private int[] encode(FSDataInputStream in, long from, long to, Tokenizer tokenizer) throws IOException {
        String text = TextCorpus.decode(bytes(in, from, to), from, file.name(), data);
        try {
            return tokenizer.encode(text);
        } catch (DataException e) {
            throw new DataException(
                    "document %s, from byte %,d on: %s".formatted(file.name(), from, e.getMessage()), e);
        }
    }

    private static byte[] bytes(FSDataInputStream in, long from, long to) throws IOException {
        byte[] bytes = new byte[Math.toIntExact(to - from)];
        in.readFully(from, bytes);
        return bytes;
    }
}
