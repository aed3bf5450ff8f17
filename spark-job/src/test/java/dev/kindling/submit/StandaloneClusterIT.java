package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.coordinate.message.Limits;
import dev.kindling.job.CommandRuns;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
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

    private void assertEndsWell(String name, Process driver) throws Exception {
        assertThat(driver.waitFor(120, TimeUnit.SECONDS)).isTrue();
        assertThat(driver.exitValue()).as(Files.readString(cluster.err(name))).isZero();
    }

    @Test
    void plainSparkSubmitTrainsOnTwoWorkers() throws Exception {
        Path run = folder.resolve("run");
        assertEndsWell("driver", cluster.train("driver", run, corpus, List.of(), "--set", "train.max_steps=13"));
        assertThat(cluster.out("driver")).content().contains("--- a sample ---", "on 2 executor(s)");
        assertThat(run.resolve("metrics.jsonl")).content().hasLineCount(13);
        assertThat(CommandRuns.weights(run, 13)).hasSizeGreaterThan(10_000);
        for (String worker : List.of("worker-1", "worker-2")) {
            try (Stream<Path> applications = Files.list(folder.resolve(worker))) {
                assertThat(applications).as("applications on " + worker).hasSize(1);
            }
        }
    }

    /** With reduction by a tree the weights do not depend on how many ranks trained, and so not on the fault. */
    @Test
    void aKilledWorkerCostsARankUntilAnotherOneComes() throws Exception {
        String[] more = {
            "--set", "train.reduction=tree", "--set", "train.max_steps=3000", "--set", "cluster.executors=2"
        };
        Path run = folder.resolve("run");
        Process driver = cluster.train("driver", run, corpus, List.of(Limits.SLOTS + "=1s"), more);
        awaitText(run.resolve("config.yaml"), ""); // both executors are there, and the next worker gets none yet
        cluster.startWorker("worker-3");
        awaitText(run.resolve("checkpoints/step-0000040/state.json"), "");
        firstWorker.destroyForcibly(); // the third worker's executor takes longer to start than the wait for slots
        assertEndsWell("driver", driver);
        assertThat(cluster.err("driver"))
                .content()
                .contains(
                        "going on with 1 of 2 executors from step ",
                        "executors came back: going on with all 2 from step ");
        assertThat(cluster.err("driver")).content().contains("Generation 1 failed: rank ", "its executor is gone");
        assertThat(run.resolve("metrics.jsonl")).content().contains("\"world_size\":1", "\"world_size\":2");

        Path undisturbed = folder.resolve("undisturbed");
        more[5] = "cluster.executors=1";
        assertEndsWell("again", cluster.train("again", undisturbed, corpus, List.of(), more));
        assertThat(CommandRuns.weights(run, 3000)).isEqualTo(CommandRuns.weights(undisturbed, 3000));
    }

    private static void awaitText(Path file, String text) throws IOException, InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (!Files.exists(file) || !Files.readString(file).contains(text)) {
            assertThat(System.nanoTime()).as("'%s' in %s", text, file).isLessThan(end);
            Thread.sleep(20);
        }
    }
}
