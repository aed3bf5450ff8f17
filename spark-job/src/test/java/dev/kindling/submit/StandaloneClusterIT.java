package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.coordinate.message.Limits;
import dev.kindling.job.CommandRuns;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The application jar by plain spark-submit, on a master and two workers that are processes of their own. */
@Timeout(240)
class StandaloneClusterIT {
    @TempDir
    private Path folder;

    private StandaloneCluster cluster;
    private Process firstWorker;
    private Path corpus;

    @BeforeEach
    void startCluster() throws Exception {
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        cluster = new StandaloneCluster(folder);
        firstWorker = cluster.startWorker("worker-1");
        cluster.startWorker("worker-2");
    }

    @AfterEach
    void stopCluster() {
        cluster.close();
    }

    @Test
    void plainSparkSubmitTrainsOnTwoWorkers() throws Exception {
        Path run = folder.resolve("run");
        cluster.assertEndsWell(
                "driver", cluster.train("driver", run, corpus, List.of(), "--set", "train.max_steps=13"));
        assertThat(cluster.out("driver")).content().contains("--- a sample ---", "on 2 executor(s)");
        assertThat(run.resolve("metrics.jsonl")).content().hasLineCount(13);
        assertThat(CommandRuns.weights(run, 13)).hasSizeGreaterThan(10_000);
        for (String worker : List.of("worker-1", "worker-2")) {
            try (Stream<Path> applications = Files.list(folder.resolve(worker))) {
                assertThat(applications).as("applications on " + worker).hasSize(1);
            }
        }
    }

    /**
     * With reduction by a tree the weights do not depend on how many ranks trained, and so not on the fault. The training
     * has no end of its own: it goes on until the third worker's executor has come, however long that takes.
     */
    @Test
    void aKilledWorkerCostsARankUntilAnotherOneComes() throws Exception {
        Path run = folder.resolve("run");
        Process driver = train("driver", run, 2, 1_000_000);
        CommandRuns.awaitCheckpoint(run, 40);
        firstWorker.destroyForcibly();
        Path said = cluster.err("driver");
        awaitText(said, "going on with 1 of 2 executors from step ");
        cluster.startWorker("worker-3");
        int alone = CommandRuns.awaitCheckpoint(run, 0);
        awaitText(said, "executors came back: going on with all 2 from step ");
        int steps = CommandRuns.awaitCheckpoint(run, alone + 40);
        driver.destroyForcibly().waitFor();
        assertThat(said).content().contains("Generation 1 failed: rank ", "its executor is gone");
        steps = CommandRuns.awaitCheckpoint(run, steps);

        Path undisturbed = folder.resolve("undisturbed");
        cluster.assertEndsWell("again", train("again", undisturbed, 1, steps));
        assertThat(CommandRuns.weights(run, steps)).isEqualTo(CommandRuns.weights(undisturbed, steps));
    }

    private Process train(String name, Path run, int executors, int steps) throws IOException {
        return cluster.train(
                name,
                run,
                corpus,
                List.of(Limits.SLOTS + "=1s", "spark.scheduler.maxRegisteredResourcesWaitingTime=100s"),
                "--set",
                "train.reduction=tree",
                "--set",
                "train.global_batch=64",
                "--set",
                "train.max_steps=" + steps,
                "--set",
                "cluster.executors=" + executors);
    }

    private static void awaitText(Path file, String text) throws IOException, InterruptedException {
        long end = System.nanoTime() + Duration.ofMinutes(2).toNanos();
        while (!Files.exists(file) || !Files.readString(file).contains(text)) {
            assertThat(System.nanoTime()).as("'%s' in %s", text, file).isLessThan(end);
            Thread.sleep(20);
        }
    }
}
