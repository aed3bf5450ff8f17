package dev.kindling.data.shard;

import dev.kindling.data.DataException;
import dev.kindling.data.corpus.Document;
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

    private static final int FIRST_BUFFER_TOKENS = 1 << 16;

    private final ShardFolder folder;
    private final Tokenizer tokenizer;
    private final ShardWriter writer;
    private final String prefix;
    private final int shardTokens;
    private final List<ShardInfo> shards = new ArrayList<>();
    private final List<Integer> documents = new ArrayList<>();
    private int[] buffer = new int[0];
    private int buffered;
    private boolean continues;
    private boolean finished;

    /**
     * Opens a series; nothing is written before the first shard is full.
     *
     * @param prefix of the shards' file names, different for every series of a set, such as {@code train-00003}
     * @param shardTokens the most ids in one shard
     */
    public ShardSeries(ShardFolder folder, Tokenizer tokenizer, String prefix, int shardTokens) {
        if (shardTokens < 1) {
            throw new DataException("a shard of %d tokens holds nothing; give at least 1".formatted(shardTokens));
        }
        this.folder = folder;
        this.tokenizer = tokenizer;
        this.writer = new ShardWriter(tokenizer);
        this.prefix = prefix;
        this.shardTokens = shardTokens;
    }

    /**
     * Adds a document, followed by the end-of-text id where the tokenizer has one.
     *
     * @throws DataException if it cannot be encoded, or a full shard cannot be written
     */
    public void add(Document document) {
        addTokens(document, true);
    }

    /** Adds the first part of a document whose rest goes to another split: no end-of-text id follows it. */
    public void addBeginning(Document part) {
        addTokens(part, false);
    }

    private void addTokens(Document document, boolean whole) {
        int[] ids = encode(document);
        OptionalInt end = tokenizer.endOfText();
        if (ids.length == 0) {
            return;
        }
        if (whole && end.isPresent()) {
            ids = Arrays.copyOf(ids, ids.length + 1);
            ids[ids.length - 1] = end.getAsInt();
        }
        for (int at = 0; at < ids.length; ) {
            if (buffered == shardTokens) {
                flush(at > 0);
            }
            int count = Math.min(ids.length - at, shardTokens - buffered);
            append(ids, at, count);
            at += count;
        }
        continues = !whole;
    }

    private void append(int[] ids, int from, int count) {
        if (buffered + count > buffer.length) {
            int wanted = Math.max(buffered + count, Math.max(FIRST_BUFFER_TOKENS, buffer.length * 2));
            buffer = Arrays.copyOf(buffer, Math.min(shardTokens, wanted));
        }
        System.arraycopy(ids, from, buffer, buffered, count);
        buffered += count;
        documents.add(count);
    }

    private void flush(boolean documentContinues) {
        String name = String.format(Locale.ROOT, "%s-%04d.bin", prefix, shards.size());
        int[] crc32c = new int[1];
        try {
            folder.write(name, out -> crc32c[0] = writer.write(out, buffer, 0, buffered));
        } catch (IOException e) {
            throw new DataException(
                    "cannot write %s/%s (%s); free space or choose another folder"
                            .formatted(folder.name(), name, DataException.reason(e)),
                    e);
        }
        shards.add(new ShardInfo(name, buffered, "%08x".formatted(crc32c[0]), documents, documentContinues));
        documents.clear();
        buffered = 0;
    }

    /**
     * Writes what is left.
     *
     * @return the shards in order; none if no document had a token
     */
    public List<ShardInfo> finish() {
        if (buffered > 0) {
            flush(continues);
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

    private int[] encode(Document document) {
        try {
            return tokenizer.encode(document.text());
        } catch (DataException e) {
            throw new DataException("document %s: %s".formatted(document.id(), e.getMessage()), e);
        }
    }
}
