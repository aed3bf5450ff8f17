package dev.kindling.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.coordinate.EmbeddedCluster;
import dev.kindling.data.DataException;
import dev.kindling.data.shard.LocalShardFolder;
import dev.kindling.data.shard.ShardSeries;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.shard.TokenSequence;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.storage.RemoteDisk;
import java.io.File;
import java.nio.file.Files;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkEnv;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Shards on a store that is not a local disk: verified by executors, copied to a local folder and mapped. */
class RemoteShardsTest {
    private static final Tokenizer TOKENIZER = CharTokenizer.of("abcdefghij".codePoints());
    private static final String TEXT = "abcdefghijjihgfedcba".repeat(50);

    @TempDir
    java.nio.file.Path folder;

    private static void addDocument(ShardSeries series, String id, String text) {
        series.add(id, text);
        series.endDocument();
    }

    @Test
    void shardsAreVerifiedByTasksAndReadThroughLocalCopies() throws Exception {
        try (ShardSeries series = new ShardSeries(new LocalShardFolder(folder), TOKENIZER, "train", 300)) {
            addDocument(series, "all", TEXT);
            ShardSet.commit(new LocalShardFolder(folder), "c", TOKENIZER, Map.of("train", series.finish()));
        }
        Path remote = new Path("remote:" + folder);
        try (EmbeddedCluster cluster = new EmbeddedCluster(1, RemoteDisk.SETTINGS)) {
            ShardPreparation preparation = new ShardPreparation(cluster.sc());
            ShardSet set = preparation.openVerified(remote);
            assertThat(set.shards()).isEqualTo(4);
            assertThat(cluster.sc().statusTracker().getJobIdsForGroup(null)).hasSize(1);
            TokenSequence tokens = set.tokens("train");
            int[] all = new int[(int) tokens.length()];
            tokens.copy(0, all.length, all, 0);
            assertThat(all).isEqualTo(TOKENIZER.encode(TEXT));
            for (File local : SparkEnv.get().blockManager().diskBlockManager().localDirs()) {
                try (Stream<java.nio.file.Path> files = Files.list(local.toPath())) {
                    assertThat(files)
                            .noneMatch(file -> file.getFileName().toString().startsWith("shard-"));
                }
            }

            Files.write(folder.resolve("train-0002.bin"), new byte[1]);
            assertThatThrownBy(() -> preparation.openVerified(remote))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining(remote + "/train-0002.bin");
        }
    }
}
