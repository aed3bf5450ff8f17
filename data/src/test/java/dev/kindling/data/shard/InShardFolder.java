package dev.kindling.data.shard;

import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.Tokenizer;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** Tests that write shards of ten letters to a folder, which the first shard makes. */
abstract class InShardFolder {
    static final Tokenizer TOKENIZER = CharTokenizer.of("abcdefghij".codePoints());

    @TempDir
    Path temporary;

    Path folder;
    ShardFolder store;

    @BeforeEach
    void nameFolder() {
        folder = temporary.resolve("shards");
        store = new LocalShardFolder(folder);
    }

    /** Writes a document of each text. */
    List<ShardInfo> series(String prefix, int shardTokens, List<String> texts) {
        try (ShardSeries series = new ShardSeries(store, TOKENIZER, prefix, shardTokens)) {
            texts.forEach(text -> addDocument(series, text, text));
            return series.finish();
        }
    }

    static void addDocument(ShardSeries series, String id, String text) {
        series.add(id, text);
        series.endDocument();
    }
}
