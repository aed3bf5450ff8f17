package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.job.CommandRuns;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FileUtil;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Everything on {@code s3a://}: an S3 server behind a proxy that refuses, drops, cuts and delays requests. A run whose
 * driver is killed, and whose store is away for a while, ends with the weights of one on a local disk.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Timeout(600)
class S3IT {
    private static final int STEPS = 160;
    private static final Duration PATIENCE = Duration.ofMinutes(3);

    @TempDir
    private static Path folder;

    private S3Server server;
    private FaultyProxy proxy;
    private CommandRuns runs;
    private SparkProcesses processes;
    private Path local;
    private FileSystem store;

    @BeforeAll
    void start() throws Exception {
        server = new S3Server(folder);
        proxy = new FaultyProxy(server.endpoint());
        runs = new CommandRuns("60s", 2, settings());
        store = server.bucket("runs");
        server.makeBucket("runs");
        Path corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        store.copyFromLocalFile(
                new org.apache.hadoop.fs.Path(corpus.toString()),
                new org.apache.hadoop.fs.Path("s3a://runs/corpus.txt"));
        local = folder.resolve("local");
        run("prepare", "--corpus", corpus.toString(), "--tokenizer", "char", "--out", folder.resolve("shards") + "");
        run(train(local.toString(), folder.resolve("shards").toString()));
    }

    @AfterAll
    void stop() {
        Stream.of(runs, processes, proxy, server)
                .filter(started -> started != null)
                .forEach(started -> {
                    try {
                        started.close();
                    } catch (Exception e) {
                        throw new IllegalStateException(e);
                    }
                });
    }

    private Map<String, String> settings() {
        return S3Server.settings(proxy.endpoint()).entrySet().stream()
                .collect(java.util.stream.Collectors.toMap(
                        setting -> "spark.hadoop." + setting.getKey(), Map.Entry::getValue));
    }

    private static String[] train(String out, String corpus, String... more) {
        Stream<String> settings = Stream.of("--set", "train.max_steps=" + STEPS, "--set", "checkpoint.interval=20");
        String[] arguments = CommandRuns.trainArguments(
                Path.of("OUT"), corpus, Stream.concat(settings, Stream.of(more)).toArray(String[]::new));
        return Stream.of(arguments)
                .map(argument -> argument.equals("OUT") ? out : argument)
                .toArray(String[]::new);
    }

    private void run(String... arguments) {
        runs.run(arguments).done();
    }

    /** A run on the store, copied to this disk. */
    private Path fetched(String run) throws IOException {
        Path copy = folder.resolve("copy-" + run);
        FileUtil.copy(
                store,
                new org.apache.hadoop.fs.Path("s3a://runs/" + run),
                new java.io.File(copy.toString()),
                false,
                store.getConf());
        return copy;
    }

    private void assertUndisturbed(String run) throws IOException {
        Path copy = fetched(run);
        assertThat(CommandRuns.learning(copy)).isEqualTo(CommandRuns.learning(local));
        assertThat(CommandRuns.weights(copy, STEPS)).isEqualTo(CommandRuns.weights(local, STEPS));
        assertThat(store.exists(new org.apache.hadoop.fs.Path("s3a://runs/" + run + "/.owner")))
                .isFalse();
    }

    @Order(1)
    @Test
    void aKilledRunGoesOnThroughFaultsAndAnOutage() throws Exception {
        proxy.faulty(true);
        run("prepare", "--corpus", "s3a://runs/corpus.txt", "--tokenizer", "char", "--out", "s3a://runs/shards");
        killAfterTheFirstCheckpoint();

        String[] resume = train("s3a://runs/run", "s3a://runs/shards", "--resume");
        CommandRuns.Printed refused = runs.run(resume);
        assertThat(refused.code()).as(refused.err()).isEqualTo(2);
        assertThat(refused.err())
                .contains(
                        "another training is writing to s3a://runs/run", "process ", "if that process is gone, delete");
        store.delete(new org.apache.hadoop.fs.Path("s3a://runs/run/.owner"), false);

        proxy.outageFrom("/checkpoints/step-0000120/optimizer", Duration.ofSeconds(8));
        run(resume);
        assertUndisturbed("run");
        for (FaultyProxy.Fault fault : FaultyProxy.Fault.values()) {
            assertThat(proxy.count(fault)).as("requests that were " + fault).isPositive();
        }
        assertThat(proxy.copies()).noneMatch(from -> from.contains("/checkpoints/"));

        CommandRuns.Printed second = runs.run(train("s3a://runs/run", "s3a://runs/shards"));
        assertThat(second.code()).isEqualTo(2);
        assertThat(second.err()).contains("s3a://runs/run exists already");
    }

    /** In a process of its own, which is killed as a host's failure would. */
    private void killAfterTheFirstCheckpoint() throws Exception {
        List<String> spark = new ArrayList<>(List.of(
                "spark.master=local-cluster[2,1,1024]",
                "spark.executor.memory=512m",
                "spark.executor.extraJavaOptions=-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
                "spark.ui.enabled=false"));
        settings().forEach((key, value) -> spark.add(key + "=" + value));
        proxy.outageFrom("/checkpoints/step-0000060/model", PATIENCE.multipliedBy(2)); // it gets no further
        processes = new SparkProcesses(folder);
        Process driver = processes.submit("killed", spark, train("s3a://runs/run", "s3a://runs/shards"));
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (newest("run") == 0) {
            assertThat(driver.isAlive() && System.nanoTime() - end < 0)
                    .as(Files.readString(processes.err("killed")))
                    .isTrue();
            Thread.sleep(200);
        }
        driver.descendants().toList().forEach(ProcessHandle::destroyForcibly); // first, else they save their last step
        driver.destroyForcibly();
        assertThat(driver.waitFor(60, TimeUnit.SECONDS)).isTrue();
        proxy.outageFrom("", Duration.ZERO);
    }

    /** The newest step of the run's checkpoints; 0 if there is none. */
    private long newest(String run) throws IOException {
        var found =
                store.globStatus(new org.apache.hadoop.fs.Path("s3a://runs/" + run + "/checkpoints/step-*/state.json"));
        return found == null
                ? 0
                : Stream.of(found)
                        .map(status -> status.getPath().getParent().getName())
                        .mapToLong(name -> Long.parseLong(name.substring("step-".length())))
                        .max()
                        .orElse(0);
    }

    @Order(2)
    @Test
    void aCheckpointOnS3IsEvaluated() throws Exception {
        run(
                "evaluate",
                "--checkpoint",
                "s3a://runs/run",
                "--device",
                "cpu",
                "--data",
                "s3a://runs/corpus.txt",
                "--out",
                "s3a://runs/scores");
        run(
                "evaluate",
                "--checkpoint",
                local.toString(),
                "--device",
                "cpu",
                "--data",
                folder.resolve("corpus.txt").toString(),
                "--out",
                folder.resolve("scores").toString());
        JsonMapper json = new JsonMapper();
        JsonNode there;
        try (var in = store.open(new org.apache.hadoop.fs.Path("s3a://runs/scores/summary.json"))) {
            there = json.readTree(in.readAllBytes());
        }
        JsonNode here = json.readTree(folder.resolve("scores/summary.json").toFile());
        assertThat(there.get("totals")).isEqualTo(here.get("totals"));
    }

    /** Sixty seconds without an answer. */
    @Order(3)
    @Tag("chaos")
    @Test
    void aMinuteWithoutTheStoreChangesNothing() throws Exception {
        proxy.faulty(false);
        proxy.outageFrom("/checkpoints/step-0000060/model", Duration.ofSeconds(60));
        run(train("s3a://runs/away", "s3a://runs/shards"));
        assertUndisturbed("away");
    }
}
