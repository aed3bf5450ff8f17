package dev.kindling.data.shard;

import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import java.io.IOException;
import java.io.InputStream;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A tokenised corpus: a folder of shards and {@code manifest.json}, which is written last, so that a
 * folder without it is an unfinished one. Of the shards, blocks are read, and checked, as their tokens are asked for.
 * Safe to share between threads.
 */
public final class ShardSet {
    /** Shards whose lists of documents are held at once. */
    private static final int DOCUMENT_LISTS = 64;

    private final ShardFolder folder;
    private final String corpus;
    private final Tokenizer tokenizer;
    private final boolean checkedByBlock;
    private final Map<String, List<Shard>> splits = new LinkedHashMap<>();
    /** Of shards of version 1, by their names. */
    private final Map<String, int[]> documents;

    private final BlockCache cache;

    private ShardSet(ShardFolder folder, Manifest.Decoded decoded) {
        Manifest manifest = decoded.manifest();
        this.folder = folder;
        corpus = manifest.corpus();
        tokenizer = Tokenizers.fromJson(manifest.tokenizer(), folder.name() + "/" + Manifest.FILE);
        documents = decoded.documents();
        cache = new BlockCache(folder);
        checkedByBlock = decoded.shards() != ShardHeader.WITHOUT_BLOCKS;
        manifest.splits()
                .forEach((split, shards) -> splits.put(
                        split,
                        shards.stream()
                                .map(info -> shard(folder, tokenizer, info, checkedByBlock))
                                .toList()));
    }

    /**
     * Opens a shard set; of the shards, nothing is read yet.
     *
     * @throws DataException if the folder holds no finished set, or its manifest is truncated, altered
     *     or of another version
     * @throws StoreException if the store failed, which says nothing of the set
     */
    public static ShardSet open(ShardFolder folder) {
        String name = folder.name() + "/" + Manifest.FILE;
        try {
            if (!folder.exists(Manifest.FILE)) {
                throw new DataException(
                        "%s holds no finished shard set: manifest.json is missing; run prepare (into a new folder, if this one was cut short)",
                        folder.name());
            }
            try (InputStream in = folder.open(Manifest.FILE)) {
                return new ShardSet(folder, Manifest.decode(in, name));
            }
        } catch (IOException e) {
            throw DataException.of(
                    String.format(
                            Locale.ROOT,
                            "cannot read %s (%s); check that it may be read",
                            name,
                            DataException.reason(e)),
                    e);
        }
    }

    /** Removes shards that will not be committed. */
    public static void discard(ShardFolder folder, List<ShardInfo> shards) {
        try {
            for (ShardInfo shard : shards) {
                folder.delete(shard.name());
            }
        } catch (IOException e) {
            throw new DataException(
                    e,
                    "cannot remove the unfinished shards from %s (%s); delete the folder",
                    folder.name(),
                    DataException.reason(e));
        }
    }

    /**
     * Refuses a folder in which a set was already committed.
     *
     * @throws DataException if there is one
     */
    public static void requireNew(ShardFolder folder) {
        try {
            if (folder.exists(Manifest.FILE)) {
                throw new DataException(
                        "%s already holds a shard set; choose another folder, or delete this one", folder.name());
            }
        } catch (IOException e) {
            throw DataException.of(
                    String.format(
                            Locale.ROOT,
                            "cannot look into %s (%s); check the path",
                            folder.name(),
                            DataException.reason(e)),
                    e);
        }
    }

    /**
     * Turns shards that were written into a set, by writing its manifest.
     *
     * @param corpus the corpus as the user named it
     * @param splits the shards of each split in corpus order: the series of every task, one after the other
     */
    public static ShardSet commit(
            ShardFolder folder, String corpus, Tokenizer tokenizer, Map<String, List<ShardInfo>> splits) {
        Manifest manifest = new Manifest(corpus, tokenizer.toJson(), splits);
        try {
            folder.write(Manifest.FILE, manifest::writeTo);
        } catch (IOException e) {
            throw new DataException(
                    e,
                    "cannot write %s/%s (%s); free space or choose another folder",
                    folder.name(),
                    Manifest.FILE,
                    DataException.reason(e));
        }
        return new ShardSet(folder, new Manifest.Decoded(manifest, ShardHeader.VERSION, Map.of()));
    }

    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /** The corpus as it was named when the set was written. */
    public String corpus() {
        return corpus;
    }

    /**
     * Whether every block is checked when it is read. Shards that were written before there were blocks are checked by {@link
     * #verify} alone.
     */
    public boolean isCheckedByBlock() {
        return checkedByBlock;
    }

    /** How many blocks of its shards have been read: it grows as long as the store answers. */
    public long blocksRead() {
        return cache.read();
    }

    /**
     * The tokens of a split.
     *
     * @param split {@link CorpusSplit#TRAIN} or {@link CorpusSplit#VAL}
     * @throws DataException if the set has no such split; while copying, if a shard is missing,
     *     truncated or altered
     * @throws StoreException while copying, if the store failed, which says nothing of the shard
     */
    public TokenSequence tokens(String split) {
        return new SplitTokens(split, require(split), cache);
    }

    private List<Shard> require(String split) {
        List<Shard> found = splits.get(split);
        if (found == null) {
            throw new DataException(
                    "%s has no split '%s', only %s; run prepare again", folder.name(), split, splits.keySet());
        }
        return found;
    }

    /**
     * The documents of a split; the index is built anew by each call, of what the shards say.
     *
     * @throws DataException if a shard is missing, truncated or altered
     * @throws StoreException if the store failed, which says nothing of the shard
     */
    public DocumentIndex documents(String split) {
        List<Shard> shards = require(split);
        DocumentIndex.Builder index = new DocumentIndex.Builder();
        long begun = 0; // tokens of a document that goes on in the next shard
        for (int first = 0; first < shards.size(); first += DOCUMENT_LISTS) {
            List<Shard> some = shards.subList(first, Math.min(shards.size(), first + DOCUMENT_LISTS));
            List<int[]> lengths = cache.all(some, this::lengths);
            for (int shard = 0; shard < some.size(); shard++) {
                int[] ofShard = lengths.get(shard);
                int ended = ofShard.length - (some.get(shard).info().continues() ? 1 : 0);
                for (int i = 0; i < ofShard.length; i++) {
                    begun += ofShard[i];
                    if (i < ended) {
                        index.add(begun);
                        begun = 0;
                    }
                }
            }
        }
        if (begun > 0) {
            index.add(begun);
        }
        return index.build();
    }

    private int[] lengths(Shard shard) {
        return checkedByBlock ? shard.documents() : documents.get(shard.info().name());
    }

    /** All shards, split by split. */
    public List<ShardInfo> shards() {
        return splits.values().stream().flatMap(List::stream).map(Shard::info).toList();
    }

    /**
     * Reads a shard of this set with every check and keeps nothing of it.
     *
     * @throws DataException naming the shard, if it is damaged
     */
    public void verify(ShardInfo info) {
        verify(folder, tokenizer, info, checkedByBlock);
    }

    /** As {@link #verify(ShardInfo)}, for tasks, which need no manifest for it. */
    public static void verify(ShardFolder folder, Tokenizer tokenizer, ShardInfo info, boolean checkedByBlock) {
        shard(folder, tokenizer, info, checkedByBlock).verify(tokenizer);
    }

    private static Shard shard(ShardFolder folder, Tokenizer tokenizer, ShardInfo info, boolean checkedByBlock) {
        int bytesPerToken = ShardHeader.bytesPerToken(tokenizer.vocabSize());
        return new Shard(
                folder,
                info,
                checkedByBlock
                        ? new ShardLayout(ShardHeader.VERSION, bytesPerToken, info.tokens(), info.documents())
                        : new ShardLayout(ShardHeader.WITHOUT_BLOCKS, bytesPerToken, info.tokens(), 0));
    }
}
