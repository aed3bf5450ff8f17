package dev.kindling.data.shard;

import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;

/**
 * A tokenised corpus: a folder of shards and {@code manifest.json}, which is written last, so that a
 * folder without it is an unfinished one. Shards are read, and checked, when they are first used.
 * Safe to share between threads.
 */
public final class ShardSet {
    /** A split's tokens, and its documents; the index of documents is built when it is first asked for. */
    record Split(SplitTokens tokens, Supplier<DocumentIndex> documents) {}

    private final String folder;
    private final String corpus;
    private final Tokenizer tokenizer;
    private final Map<String, Split> splits;

    ShardSet(String folder, String corpus, Tokenizer tokenizer, Map<String, Split> splits) {
        this.folder = folder;
        this.corpus = corpus;
        this.tokenizer = tokenizer;
        this.splits = splits;
    }

    private static ShardSet of(ShardFolder folder, Manifest manifest) {
        Tokenizer tokenizer = Tokenizers.fromJson(manifest.tokenizer(), folder.name() + "/" + Manifest.FILE);
        Map<String, Split> splits = new LinkedHashMap<>();
        manifest.splits().forEach((split, shards) -> {
            long[] lengths = shards.stream().mapToLong(ShardInfo::tokens).toArray();
            SplitTokens tokens = new SplitTokens(split, lengths, index -> read(folder, tokenizer, shards.get(index)));
            splits.put(split, new Split(tokens, () -> documents(shards)));
        });
        return new ShardSet(folder.name(), manifest.corpus(), tokenizer, splits);
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
                throw new DataException(String.format(
                        Locale.ROOT,
                        "%s holds no finished shard set: manifest.json is missing; run prepare (into a new folder, if this one was cut short)",
                        folder.name()));
            }
            try (InputStream in = folder.open(Manifest.FILE)) {
                return of(folder, Manifest.decode(in.readAllBytes(), name));
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
                    String.format(
                            Locale.ROOT,
                            "cannot remove the unfinished shards from %s (%s); delete the folder",
                            folder.name(),
                            DataException.reason(e)),
                    e);
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
                throw new DataException(String.format(
                        Locale.ROOT,
                        "%s already holds a shard set; choose another folder, or delete this one",
                        folder.name()));
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
            folder.write(Manifest.FILE, out -> out.write(manifest.encode()));
        } catch (IOException e) {
            throw new DataException(
                    String.format(
                            Locale.ROOT,
                            "cannot write %s/%s (%s); free space or choose another folder",
                            folder.name(),
                            Manifest.FILE,
                            DataException.reason(e)),
                    e);
        }
        return of(folder, manifest);
    }

    private static Shard read(ShardFolder folder, Tokenizer tokenizer, ShardInfo info) {
        try {
            Shard shard = folder.shard(info.name());
            shard.requireVocabulary(tokenizer);
            if (shard.length() != info.tokens() || !shard.crc32c().equals(info.crc32c())) {
                throw new DataException(String.format(
                        Locale.ROOT,
                        "%s is not the shard that the manifest names: %,d tokens with CRC32C %s, not %,d with %s; restore it or run prepare again",
                        shard.name(),
                        shard.length(),
                        shard.crc32c(),
                        info.tokens(),
                        info.crc32c()));
            }
            return shard;
        } catch (IOException e) {
            throw DataException.of(
                    String.format(
                            Locale.ROOT,
                            "cannot read shard %s/%s (%s); restore it or run prepare again",
                            folder.name(),
                            info.name(),
                            DataException.reason(e)),
                    e);
        }
    }

    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /** The corpus as it was named when the set was written. */
    public String corpus() {
        return corpus;
    }

    /**
     * The tokens of a split.
     *
     * @param split {@link CorpusSplit#TRAIN} or {@link CorpusSplit#VAL}
     * @throws DataException if the set has no such split; while copying, if a shard is missing,
     *     truncated, altered, or of another version
     * @throws StoreException while copying, if the store failed, which says nothing of the shard
     */
    public TokenSequence tokens(String split) {
        return require(split).tokens();
    }

    /** The documents of a split; the index is built anew by each call. */
    public DocumentIndex documents(String split) {
        return require(split).documents().get();
    }

    private Split require(String split) {
        Split found = splits.get(split);
        if (found == null) {
            throw new DataException(String.format(
                    Locale.ROOT, "%s has no split '%s', only %s; run prepare again", folder, split, splits.keySet()));
        }
        return found;
    }

    private static DocumentIndex documents(List<ShardInfo> shards) {
        List<Long> lengths = new ArrayList<>();
        boolean continues = false;
        for (ShardInfo shard : shards) {
            for (int i = 0; i < shard.documents().size(); i++) {
                long length = shard.documents().get(i);
                if (i == 0 && continues) {
                    int last = lengths.size() - 1;
                    lengths.set(last, Math.addExact(lengths.get(last), length));
                } else {
                    lengths.add(length);
                }
            }
            continues = shard.continues();
        }
        return DocumentIndex.ofLengths(
                lengths.stream().mapToLong(Long::longValue).toArray());
    }

    /** How many shards all splits have together. */
    public int shards() {
        return splits.values().stream()
                .mapToInt(split -> split.tokens().shards())
                .sum();
    }

    /**
     * Reads a shard with every check and keeps nothing of it: this finds damage before the work begins.
     *
     * @param number from 0 to {@link #shards} - 1
     * @throws DataException naming the shard, if it is damaged
     */
    public void verify(int number) {
        int first = 0;
        for (Split split : splits.values()) {
            int end = first + split.tokens().shards();
            if (number < end) {
                split.tokens().check(number - first);
                return;
            }
            first = end;
        }
        throw new IndexOutOfBoundsException(String.format(Locale.ROOT, "shard %d of %d in %s", number, first, folder));
    }
}
