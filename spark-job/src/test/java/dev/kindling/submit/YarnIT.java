package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.job.CommandRuns;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The application jar by plain spark-submit on YARN in cluster mode ({@link HdfsFaultsIT} has client mode), with all its files on HDFS. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(400)
class YarnIT {
    private static final int STEPS = 1000;
    private static final String UNDISTURBED = "undisturbed";

    @TempDir
    private static Path folder;

    private HadoopCluster cluster;

    @BeforeAll
    void startClusterAndTrainInClusterMode() throws Exception {
        cluster = new HadoopCluster(folder);
        cluster.put(CommandRuns.writeCorpus(folder.resolve("corpus.txt")), "/corpus.txt");
        String printed = cluster.assertEndsWell(UNDISTURBED, train(UNDISTURBED));
        assertThat(printed).contains("--- a sample ---", "on 2 executor(s)");
    }

    @AfterAll
    void stopCluster() throws Exception {
        if (cluster != null) {
            cluster.close();
        }
    }

    private Process train(String name) throws IOException {
        return cluster.submit(
                name,
                "cluster",
                CommandRuns.trainArguments(
                        cluster.at("/" + name),
                        cluster.at("/corpus.txt"),
                        "--set",
                        "train.max_steps=" + STEPS,
                        "--set",
                        "checkpoint.interval=50"));
    }

    private byte[] weights(String run) throws IOException {
        return cluster.bytes("/" + run + "/checkpoints/step-000" + STEPS + "/model.safetensors");
    }

    @Test
    void aTrainingOfClusterModeLeavesAWholeRun() throws Exception {
        assertThat(cluster.losses("/undisturbed")).hasSize(STEPS);
        assertThat(cluster.exists("/undisturbed/summary.json")).isTrue();
        assertThat(cluster.exists("/undisturbed/.owner")).isFalse();
    }

    @Test
    void evaluatesInClusterMode() throws Exception {
        Process evaluation = cluster.submit(
                "evaluate",
                "cluster",
                "evaluate",
                "--checkpoint",
                cluster.at("/undisturbed"),
                "--data",
                cluster.at("/corpus.txt"),
                "--out",
                cluster.at("/scores"));
        cluster.assertEndsWell("evaluate", evaluation);
        assertThat(new String(cluster.bytes("/scores/summary.json"), StandardCharsets.UTF_8))
                .contains("\"loss\"");
    }

    /** The driver needs no executors for it, and YARN an application of every driver. */
    @Test
    void generatesInClusterMode() throws Exception {
        Process generation = cluster.submit(
                "generate",
                "cluster",
                "generate",
                "--checkpoint",
                cluster.at("/undisturbed"),
                "--prompt",
                "ROMEO:",
                "--max-tokens",
                "20");
        assertThat(cluster.assertEndsWell("generate", generation)).contains("ROMEO:");
    }

    @Test
    void aSecondAttemptGoesOnFromTheLastStepOfAKilledApplicationMaster() throws Exception {
        Process submit = train("killed");
        cluster.await("killed", () -> cluster.newestCheckpoint("/killed") > 0);
        List<ProcessHandle> masters = cluster.applicationMasters();
        assertThat(masters).hasSize(1);
        masters.get(0).destroyForcibly();
        assertThat(cluster.assertEndsWell("killed", submit))
                .contains("going on with the run at " + cluster.at("/killed"))
                .containsPattern("kindling: step \\d+ was saved by executors whose driver was gone");
        assertThat(cluster.losses("/killed")).isEqualTo(cluster.losses("/undisturbed"));
        assertThat(weights("killed")).isEqualTo(weights(UNDISTURBED));
    }
}
