package dev.kindling.prepare;

import dev.kindling.data.DataException;
import dev.kindling.data.shard.ShardInfo;
import dev.kindling.data.shard.ShardSeries;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.OptionalInt;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;

/**
 * Ids of a file of another project's, which a task copies to a shard.
 *
 * @param dataStart byte of the file at which its ids begin
 * @param first the first of them to copy
 * @param begins whether documents begin with the end-of-text id, not end with it
 * @param ends whether a document ends where the range does
 */
record TokenRange(String file, long dataStart, long first, long count, boolean begins, boolean ends)
        implements Serializable {
    private static final int WINDOW = 1 << 14;

    TokenRange endingDocument() {
        return new TokenRange(file, dataStart, first, count, begins, true);
    }

    /**
     * Copies the ids.
     *
     * @throws DataException if one is not in the vocabulary, or the file ends before them
     */
    List<ShardInfo> copy(ShardSeries to, Tokenizer tokenizer, Configuration hadoop) throws IOException {
        Path path = new Path(file);
        try (FSDataInputStream in = Storage.of(path, hadoop).files().open(path)) {
            in.seek(dataStart + first * Short.BYTES);
            ByteBuffer bytes = ByteBuffer.allocate(WINDOW * Short.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            int[] ids = new int[WINDOW];
            for (long done = 0; done < count; done += WINDOW) {
                int n = (int) Math.min(WINDOW, count - done);
                in.readFully(bytes.array(), 0, n * Short.BYTES);
                for (int i = 0; i < n; i++) {
                    ids[i] = Short.toUnsignedInt(bytes.getShort(i * Short.BYTES));
                    requireKnown(ids[i], first + done + i, tokenizer);
                }
                add(ids, n, tokenizer.endOfText(), to);
            }
        }
        if (ends) {
            to.closeDocument();
        }
        return to.finish();
    }

    private void requireKnown(int id, long position, Tokenizer tokenizer) {
        if (id >= tokenizer.vocabSize()) {
            throw new DataException(
                    "%s holds id %,d at position %,d, outside the %s vocabulary of %,d ids; give the tokenizer it was written with",
                    file, id, position, tokenizer.id(), tokenizer.vocabSize());
        }
    }

    private void add(int[] ids, int count, OptionalInt endOfText, ShardSeries to) {
        int from = 0;
        for (int i = 0; i < count; i++) {
            if (endOfText.isPresent() && ids[i] == endOfText.getAsInt()) {
                int end = begins ? i : i + 1;
                to.add(ids, from, end);
                to.closeDocument();
                from = end;
            }
        }
        to.add(ids, from, count);
    }
}
