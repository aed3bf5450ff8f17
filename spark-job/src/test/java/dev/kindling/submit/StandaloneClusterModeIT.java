package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.job.CommandRuns;
import java.io.IOException;
import java.nio.file.DirectoryStream;
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

/** A driver that a standalone cluster starts on one of its workers. */
@Timeout(300)
class StandaloneClusterModeIT {
    @TempDir
    private Path folder;

    private StandaloneCluster cluster;
    private Path corpus;

    @BeforeEach
    void startCluster() throws Exception {
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        cluster = new StandaloneCluster(folder);
        await(() -> Files.readString(cluster.err("master")).contains("New state: ALIVE")); // it refuses drivers before
        cluster.startWorker("worker-1");
    }

    @AfterEach
    void stopCluster() {
        cluster.close();
    }

    @Test
    void aDriverWithoutSparksJvmOptionsSaysWhatToAdd() throws Exception {
        Path run = folder.resolve("run");
        Process submit = cluster.train(
                "bare",
                run,
                corpus,
                List.of("spark.submit.deployMode=cluster", "spark.driver.memory=512m"),
                "--executors",
                "1");
        assertThat(submit.waitFor(2, TimeUnit.MINUTES)).isTrue();
        assertThat(submit.exitValue()).as(Files.readString(cluster.err("bare"))).isZero();
        await(() -> driverSaid().contains("kindling: the driver's JVM was started without Spark's --add-opens"));
        assertThat(driverSaid()).contains("--add-opens=java.base/java.nio=ALL-UNNAMED", "spark.master.rest.enabled");
        assertThat(run).doesNotExist();
    }

    /** What the driver on the worker has printed to standard error. */
    private String driverSaid() throws IOException {
        try (DirectoryStream<Path> drivers = Files.newDirectoryStream(folder.resolve("worker-1"), "driver-*")) {
            for (Path driver : drivers) {
                Path err = driver.resolve("stderr");
                return Files.exists(err) ? Files.readString(err) : "";
            }
        }
        return "";
    }

    /** A condition that stays true once it is. */
    private interface Condition {
        boolean holds() throws IOException;
    }

    private void await(Condition condition) throws Exception {
        long end = System.nanoTime() + Duration.ofMinutes(2).toNanos();
        while (!condition.holds()) {
            assertThat(System.nanoTime()).isLessThan(end);
            Thread.sleep(100);
        }
    }
}
