package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.job.CommandRuns;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Authentication and encryption on master, workers and application, with Spark's default version of both. */
@Timeout(240)
class SecureStandaloneIT {
    @TempDir
    private Path folder;

    private StandaloneCluster cluster;
    private Path corpus;

    @BeforeEach
    void startCluster() throws Exception {
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        cluster = new StandaloneCluster(
                folder,
                "spark.authenticate=true",
                "spark.authenticate.secret=correct-horse-battery-staple",
                "spark.network.crypto.enabled=true");
        cluster.startWorker("worker-1");
        cluster.startWorker("worker-2");
    }

    @AfterEach
    void stopCluster() {
        cluster.close();
    }

    @Test
    void trainsEvaluatesAndRefusesAnApplicationWithAnotherSecret() throws Exception {
        Path run = folder.resolve("run");
        cluster.assertEndsWell(
                "driver", cluster.train("driver", run, corpus, List.of(), "--set", "train.max_steps=13"));
        assertThat(cluster.out("driver")).content().contains("on 2 executor(s)");
        assertThat(CommandRuns.weights(run, 13)).hasSizeGreaterThan(10_000);

        Path scores = folder.resolve("scores");
        String[] evaluate = {
            "evaluate", "--checkpoint", "" + run, "--data", "" + corpus, "--device", "cpu", "--out", "" + scores
        };
        cluster.assertEndsWell("evaluate", cluster.submit("evaluate", List.of(), evaluate));
        JsonNode totals = JsonMapper.builder()
                .build()
                .readTree(scores.resolve("summary.json").toFile())
                .get("totals");
        assertThat(totals.get("tokens").asLong()).isEqualTo(Files.size(corpus) - 1); // nothing is before the first

        long began = System.nanoTime();
        Path refused = folder.resolve("refused");
        Process stranger = cluster.train("stranger", refused, corpus, List.of("spark.authenticate.secret=guess"));
        assertThat(stranger.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(60));
        assertThat(stranger.exitValue()).isEqualTo(1);
        assertThat(cluster.err("stranger"))
                .content()
                .contains("kindling: no master answers at spark://127.0.0.1:", "spark.authenticate");
        assertThat(refused).doesNotExist();
    }
}
