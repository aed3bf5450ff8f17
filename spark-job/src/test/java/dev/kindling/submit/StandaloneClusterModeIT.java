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
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
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
        await(() ->
                driverSaid("stderr").contains("kindling: the driver's JVM was started without Spark's --add-opens"));
        assertThat(driverSaid("stderr"))
                .contains("--add-opens=java.base/java.nio=ALL-UNNAMED", "spark.master.rest.enabled");
        assertThat(run).doesNotExist();
    }

    /**
     * The worker starts a supervised driver again with the same arguments, without {@code --resume}, a second after it was
     * killed: it finds that the run is its own, and goes on from what its executors have saved. There is no checkpoint.
     */
    @Test
    void aSupervisedDriverThatIsKilledGoesOnWithoutALostStep() throws Exception {
        cluster.startWorker("worker-2");
        Path run = folder.resolve("run");
        cluster.train(
                "supervised",
                run,
                corpus,
                List.of(
                        "spark.submit.deployMode=cluster",
                        "--supervise",
                        "spark.driver.memory=512m",
                        "spark.driver.extraJavaOptions=" + System.getProperty("spark.driver.jvm")),
                "--executors",
                "1",
                "--set",
                "train.max_steps=1000000",
                "--set",
                "train.eval_interval=1000000",
                "--set",
                "checkpoint.interval=1000000");
        CommandRuns.awaitStep(run, 30);
        ProcessHandle killed = driver();
        killed.destroyForcibly();
        killed.onExit().get(1, TimeUnit.MINUTES);
        int told = CommandRuns.learning(run).size();

        Pattern saved = Pattern.compile("kindling: step (\\d+) was saved by executors whose driver was gone");
        await(() -> saved.matcher(driverSaid("stderr")).find());
        assertThat(driverSaid("stdout")).contains("going on with the run at file:" + run);
        Matcher line = saved.matcher(driverSaid("stderr"));
        assertThat(line.find()).isTrue();
        int step = Integer.parseInt(line.group(1));
        assertThat(step).isGreaterThanOrEqualTo(told);
        CommandRuns.awaitStep(run, step + 20);
        List<String> steps = CommandRuns.learning(run).subList(0, step + 20);
        for (int i = 0; i < steps.size(); i++) {
            assertThat(steps.get(i)).startsWith("step " + (i + 1) + ",");
        }
    }

    private static ProcessHandle driver() {
        return ProcessHandle.current()
                .descendants()
                .filter(process -> Stream.of(process.info().arguments().orElse(new String[0]))
                        .anyMatch(argument -> argument.endsWith("worker.DriverWrapper")))
                .findFirst()
                .orElseThrow();
    }

    /** What drivers on the workers have printed to a stream. */
    private String driverSaid(String stream) throws IOException {
        StringBuilder said = new StringBuilder();
        for (String worker : List.of("worker-1", "worker-2")) {
            Path work = Files.createDirectories(folder.resolve(worker));
            try (DirectoryStream<Path> drivers = Files.newDirectoryStream(work, "driver-*")) {
                for (Path driver : drivers) {
                    Path file = driver.resolve(stream);
                    said.append(Files.exists(file) ? Files.readString(file) : "");
                }
            }
        }
        return said.toString();
    }

    /** A condition that stays true once it is. */
    private interface Condition {
        boolean holds() throws IOException;
    }

    private void await(Condition condition) throws Exception {
        long end = System.nanoTime() + Duration.ofMinutes(2).toNanos();
        while (!condition.holds()) {
            assertThat(System.nanoTime())
                    .as("%s%n%s", driverSaid("stdout"), driverSaid("stderr"))
                    .isLessThan(end);
            Thread.sleep(100);
        }
    }
}
