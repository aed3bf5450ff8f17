package dev.kindling.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.coordinate.EmbeddedCluster;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.shard.TokenSequence;
import dev.kindling.input.Named;
import dev.kindling.storage.StallingDisk;
import dev.kindling.submit.StandaloneCluster;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.spark.TaskKilled;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Spark starts a task a second time, since the first attempt is slow, and kills the attempt that loses. */
@Timeout(240)
class SpeculationIT {
    private static final int SHARD_TOKENS = 100;

    @TempDir
    Path folder;

    private final AtomicInteger killed = new AtomicInteger();

    @Test
    void theShardsAreThoseOfTheAttemptThatWon() throws Exception {
        List<String> texts = List.of("abcdefghij".repeat(70), "jihgfedcba".repeat(70));
        Path corpus = Files.createDirectory(folder.resolve("corpus"));
        for (int i = 0; i < texts.size(); i++) {
            Files.writeString(corpus.resolve(i + ".txt"), texts.get(i));
        }
        Path shards = folder.resolve("shards");
        try (StandaloneCluster workers = new StandaloneCluster(folder)) {
            // Spark starts no second attempt on the host of the first.
            workers.startWorker("worker-1", "127.0.0.1");
            workers.startWorker("worker-2", "127.0.0.2");
            try (EmbeddedCluster cluster = new EmbeddedCluster(2, settings(workers.master()))) {
                cluster.sc().sc().addSparkListener(countsKilledAttempts());
                ShardSet set = new ShardPreparation(cluster.sc(), SHARD_TOKENS)
                        .prepare(
                                new ShardPreparation.Request(
                                        Named.corpusOption(corpus.toString(), Optional.empty()),
                                        TokenizerKind.CHAR,
                                        Optional.empty(),
                                        0.1),
                                new org.apache.hadoop.fs.Path("stalling:" + shards));
                assertThat(killed).hasValue(1);
                assertThat(set.shards()).hasSize(7 + 6 + 2);
                int[] all = tokens(set, "train");
                assertThat(set.tokenizer().decode(all))
                        .isEqualTo(String.join("", texts).substring(0, all.length));
                try (Stream<Path> files = Files.list(shards)) {
                    assertThat(files)
                            .as("the shards and their manifest")
                            .hasSize(set.shards().size() + 1);
                }
            }
        }
    }

    private SparkListener countsKilledAttempts() {
        return new SparkListener() {
            @Override
            public void onTaskEnd(SparkListenerTaskEnd task) {
                if (task.reason() instanceof TaskKilled) {
                    killed.incrementAndGet();
                }
            }
        };
    }

    private static int[] tokens(ShardSet set, String split) {
        TokenSequence tokens = set.tokens(split);
        int[] all = new int[(int) tokens.length()];
        tokens.copy(0, all.length, all, 0);
        return all;
    }

    private static Map<String, String> settings(String master) {
        Map<String, String> settings = new HashMap<>(StallingDisk.SETTINGS);
        settings.putAll(Map.of(
                "spark.master", master,
                "spark.executor.extraClassPath", System.getProperty("java.class.path"),
                "spark.scheduler.minRegisteredResourcesRatio", "1.0",
                "spark.job.interruptOnCancel", "true",
                "spark.speculation", "true",
                "spark.speculation.interval", "100ms",
                "spark.speculation.quantile", "0.5",
                "spark.speculation.multiplier", "1.1"));
        return settings;
    }
}
