package dev.kindling.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.coordinate.EmbeddedCluster;
import dev.kindling.data.DataException;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.shard.TokenSequence;
import dev.kindling.input.Named;
import dev.kindling.storage.RemoteDisk;
import java.nio.file.Files;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Shards on a store that is not a local disk: written and verified by executors, read in ranges. */
class RemoteShardsTest {
    private static final String TEXT = "abcdefghijjihgfedcba".repeat(50);

    @TempDir
    java.nio.file.Path folder;

    @Test
    void shardsAreVerifiedByTasksOnceAndThenReadByTheBlock() throws Exception {
        java.nio.file.Path text = Files.writeString(folder.resolve("text.txt"), TEXT);
        Path remote = new Path("remote:" + folder.resolve("shards"));
        try (EmbeddedCluster cluster = new EmbeddedCluster(1, RemoteDisk.SETTINGS)) {
            ShardPreparation preparation = new ShardPreparation(cluster.sc(), 300);
            ShardPreparation.Request request = new ShardPreparation.Request(
                    Named.corpusOption(text.toString(), Optional.empty()), TokenizerKind.CHAR, Optional.empty(), 0.1);
            assertThat(preparation.prepare(request, remote).shards()).hasSize(4);
            int jobs = cluster.sc().statusTracker().getJobIdsForGroup(null).length;

            ShardSet set = preparation.openChecked(remote);
            assertThat(cluster.sc().statusTracker().getJobIdsForGroup(null)).hasSize(jobs);
            assertThat(set.blocksRead()).isZero();
            TokenSequence tokens = set.tokens("train");
            int[] all = new int[(int) tokens.length()];
            tokens.copy(0, all.length, all, 0);
            assertThat(all).isEqualTo(set.tokenizer().encode(TEXT.substring(0, 900)));
            assertThat(set.documents("train").count()).isEqualTo(1);

            String second = set.shards().get(1).name();
            Files.write(folder.resolve("shards").resolve(second), new byte[1]);
            assertThatThrownBy(() ->
                            preparation.openChecked(remote).tokens("train").copy(400, 1, all, 0))
                    .isInstanceOf(DataException.class)
                    .hasMessageContainingAll(remote + "/" + second, "is truncated", "block 0");
        }
    }
}
