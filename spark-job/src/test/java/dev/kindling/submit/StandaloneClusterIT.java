package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.coordinate.message.Limits;
import dev.kindling.job.CommandRuns;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.regex.Pattern;
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

    /**
     * With reduction by a tree the weights do not depend on how many ranks trained, and so not on the fault. The training
     * has no end of its own: it goes on until the third worker's executor has come, however long that takes. Then its driver
     * is killed, and a resume goes on from the step that its executors have saved, each of them its part of it.
     */
    @Test
    void aKilledWorkerCostsARankUntilAnotherOneComes() throws Exception {
        Path run = folder.resolve("run");
        Process driver = train("driver", run, 2, 1_000_000);
        CommandRuns.awaitCheckpoint(run, 40);
        for (String worker : List.of("worker-1", "worker-2")) {
            try (Stream<Path> applications = Files.list(folder.resolve(worker))) {
                assertThat(applications).as("applications on " + worker).hasSize(1);
            }
        }
        firstWorker.destroyForcibly();
        Path said = cluster.err("driver");
        awaitText(said, "going on with 1 of 2 executors from step ");
        cluster.startWorker("worker-3");
        int alone = CommandRuns.awaitCheckpoint(run, 0);
        awaitText(said, "executors came back: going on with all 2 from step ");
        CommandRuns.awaitStep(run, CommandRuns.awaitCheckpoint(run, alone + 40) + 7);
        driver.destroyForcibly().waitFor();
        assertThat(said).content().contains("Generation 1 failed: rank ", "its executor is gone");
        int told = CommandRuns.learning(run).size();
        awaitExecutorsEnd();
        int committed = CommandRuns.awaitCheckpoint(run, 0);

        int steps = told + 60;
        cluster.assertEndsWell("resumed", train("resumed", run, 2, steps, "--resume"));
        assertThat(cluster.out("resumed")).content().contains("--- a sample ---", "on 2 executor(s)");
        assertThat(savedByExecutors("resumed").orElse(committed)).isGreaterThanOrEqualTo(told);
        Path undisturbed = folder.resolve("undisturbed");
        cluster.assertEndsWell("again", train("again", undisturbed, 1, steps));
        assertThat(CommandRuns.weights(run, steps)).isEqualTo(CommandRuns.weights(undisturbed, steps));
        assertThat(CommandRuns.learning(run)).isEqualTo(CommandRuns.learning(undisturbed));
    }

    /** Those of the killed driver, which save their last finished step first, if that is not in a checkpoint. */
    private static void awaitExecutorsEnd() throws InterruptedException {
        long end = System.nanoTime() + Duration.ofMinutes(2).toNanos();
        while (!CommandRuns.executors().isEmpty()) {
            assertThat(System.nanoTime()).as("executors outlive their driver").isLessThan(end);
            Thread.sleep(20);
        }
    }

    /** The step that a driver says it has got from the executors of the one before. */
    private OptionalInt savedByExecutors(String driver) throws IOException {
        return Pattern.compile("kindling: step (\\d+) was saved by executors whose driver was gone")
                .matcher(Files.readString(cluster.err(driver)))
                .results()
                .mapToInt(found -> Integer.parseInt(found.group(1)))
                .findFirst();
    }

    private Process train(String name, Path run, int executors, int steps, String... more) throws IOException {
        List<String> options = new ArrayList<>(List.of(
                "--set",
                "train.reduction=tree",
                "--set",
                "train.zero=1",
                "--set",
                "train.global_batch=64",
                "--set",
                "train.max_steps=" + steps,
                "--set",
                "cluster.executors=" + executors));
        options.addAll(List.of(more));
        return cluster.train(
                name,
                run,
                corpus,
                List.of(Limits.SLOTS + "=1s", "spark.scheduler.maxRegisteredResourcesWaitingTime=100s"),
                options.toArray(String[]::new));
    }

    private static void awaitText(Path file, String text) throws IOException, InterruptedException {
        long end = System.nanoTime() + Duration.ofMinutes(2).toNanos();
        while (!Files.exists(file) || !Files.readString(file).contains(text)) {
            assertThat(System.nanoTime()).as("'%s' in %s", text, file).isLessThan(end);
            Thread.sleep(20);
        }
    }
}
