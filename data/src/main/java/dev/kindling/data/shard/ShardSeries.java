package dev.kindling.data.shard;

import dev.kindling.data.DataException;
import dev.kindling.data.token.Tokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;

/**
 * Tokenises documents into shards of a bounded size: the part of a split that one task writes. Nothing reads the shards
 * until {@link ShardSet#commit} lists them in a manifest. A series that is closed without {@link #finish} removes what
 * it wrote. Not thread-safe.
 */
public final class ShardSeries implements AutoCloseable {
    /** 64 Mi tokens: 128 MiB as uint16. */
    public static final int DEFAULT_SHARD_TOKENS = 1 << 26;

    private final ShardFolder folder;
    private final Tokenizer tokenizer;
    private final ShardWriter writer;
    private final String prefix;
    private final int shardTokens;
    private final List<ShardInfo> shards = new ArrayList<>();
    /** The lengths of the documents in {@code writer}, and how many they are. */
    private int[] lengths = new int[16];

    private int documents;
    /** Tokens of the document that is being written, of those in {@code writer}. */
    private int open;

    private boolean finished;

    /**
     * Opens a series; nothing is written before the first shard is full.
     *
     * @param prefix of the shards' file names, different for every series of a set, such as {@code train-00003}
     * @param shardTokens the most ids in one shard
     */
    public ShardSeries(ShardFolder folder, Tokenizer tokenizer, String prefix, int shardTokens) {
        if (shardTokens < 1) {
            throw new DataException("a shard of %d tokens holds nothing; give at least 1", shardTokens);
        }
        this.folder = folder;
        this.tokenizer = tokenizer;
        this.writer = new ShardWriter(tokenizer);
        this.prefix = prefix;
        this.shardTokens = shardTokens;
    }

    /**
     * Adds text to the document that is being written, which {@link #endDocument} ends. One that is not
     * ended goes on in the series of the next task, or in another split.
     *
     * @param id what errors call the document
     * @throws DataException if the text cannot be encoded, or a full shard cannot be written
     */
    public void add(String id, String text) {
        int[] ids = encode(id, text);
        add(ids, 0, ids.length);
    }

    /**
     * Ends the document that is being written with the end-of-text id where the tokenizer has one; without tokens it is
     * none.
     */
    public void endDocument() {
        OptionalInt end = tokenizer.endOfText();
        if (open > 0 && end.isPresent()) {
            add(new int[] {end.getAsInt()}, 0, 1);
        }
        closeDocument();
    }

    /** Adds {@code ids[from, to)} to the document that is being written. */
    public void add(int[] ids, int from, int to) {
        for (int at = from; at < to; ) {
            if (writer.tokens() == shardTokens) {
                flush();
            }
            int count = Math.min(to - at, shardTokens - writer.tokens());
            writer.add(ids, at, count);
            open += count;
            at += count;
        }
    }

    /** Ends the document that is being written where it is, if it has any token. */
    public void closeDocument() {
        if (open > 0) {
            if (documents == lengths.length) {
                lengths = Arrays.copyOf(lengths, 2 * documents);
            }
            lengths[documents++] = open;
            open = 0;
        }
    }

    private void flush() {
        boolean documentContinues = open > 0;
        closeDocument();
        String name = String.format(Locale.ROOT, "%s-%04d.bin", prefix, shards.size());
        int[] crc32c = new int[1];
        try {
            folder.write(name, out -> crc32c[0] = writer.write(out, Arrays.copyOf(lengths, documents)));
        } catch (IOException e) {
            throw new DataException(
                    e,
                    "cannot write %s/%s (%s); free space or choose another folder",
                    folder.name(),
                    name,
                    DataException.reason(e));
        }
        shards.add(new ShardInfo(
                name, writer.tokens(), String.format(Locale.ROOT, "%08x", crc32c[0]), documents, documentContinues));
        documents = 0;
        writer.clear();
    }

    /**
     * Writes what is left.
     *
     * @return the shards in order; none if no document had a token
     */
    public List<ShardInfo> finish() {
        if (writer.tokens() > 0) {
            flush();
        }
        finished = true;
        return List.copyOf(shards);
    }

    /** Removes the shards, unless they were finished. */
    @Override
    public void close() {
        if (!finished) {
            ShardSet.discard(folder, shards);
        }
    }

    private int[] encode(String id, String text) {
        try {
            return tokenizer.encode(text);
        } catch (DataException e) {
            throw new DataException(e, "document %s: %s", id, e.getMessage());
        }
    }
}
