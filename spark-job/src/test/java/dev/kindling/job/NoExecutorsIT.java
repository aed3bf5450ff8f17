package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.job.CommandRuns.Printed;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A cluster that gives no executor, since none of its workers has a GPU: every job says so within its bound. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(60)
class NoExecutorsIT {
    @TempDir
    private static Path folder;

    private CommandRuns runs;
    private Path corpus;

    @BeforeAll
    void start() throws IOException {
        long began = System.nanoTime();
        runs = new CommandRuns(
                "2s", 2, Map.of("spark.executor.resource.gpu.amount", "1", "spark.task.resource.gpu.amount", "1"));
        // Spark itself would wait for 30 s while it starts.
        assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(25));
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    private static void assertRefusedInTime(Printed printed, String reason, long began) {
        assertThat(printed.code()).isEqualTo(1);
        assertThat(printed.err())
                .contains(reason, "2000 ms", "spark.kindling.slots.timeout is the bound")
                .hasLineCount(1);
        assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(25));
    }

    @Test
    void prepareAndTrain() {
        long began = System.nanoTime();
        Path shards = folder.resolve("shards");
        assertRefusedInTime(
                runs.run("prepare", "--corpus", "" + corpus, "--tokenizer", "char", "--out", "" + shards),
                "has given no executor for",
                began);
        assertThat(shards).doesNotExist();
        long again = System.nanoTime();
        Path run = folder.resolve("run");
        assertRefusedInTime(runs.train(run, "" + corpus), "offers 0 of the 2 slots that 2 ranks need", again);
        assertThat(run).doesNotExist();
    }
}
