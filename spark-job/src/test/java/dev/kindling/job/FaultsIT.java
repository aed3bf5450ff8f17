package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.coordinate.message.Limits;
import dev.kindling.job.CommandRuns.Printed;
import dev.kindling.train.TrainingRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Whole trainings on two executor processes that are killed and frozen on the way: each ends within its bound, names
 * the cause, and has the weights of an undisturbed run, bit for bit.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Timeout(180)
class FaultsIT {
    private static final int STEPS = 300;

    /** Steps of 32 micro-batches, long enough that a run is under way when its fault comes, on a busy host, too. */
    private static final String[] LONG_STEPS = {"--set", "train.global_batch=64", "--set", "train.max_steps=" + STEPS};

    private static final long SEED = Long.getLong("kindling.faults.seed", 20261125);

    /** Of a run with its faults; a hang would last until the 180 s of the test. */
    private static final Duration BOUND = Duration.ofMinutes(2);

    @TempDir
    private static Path folder;

    private CommandRuns runs;
    private Path corpus;
    private Path base;

    @BeforeAll
    void trainUndisturbed() throws IOException {
        Configurator.setLevel(TrainingRecord.class.getName(), Level.INFO);
        runs = new CommandRuns("30s", 2, Map.of(Limits.RENDEZVOUS, "4s", Limits.STOP, "2s", Limits.STEP, "20s"));
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        base = folder.resolve("base");
        assertThat(train(base, corpus).code()).isZero();
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    private Printed train(Path out, Path data) {
        return runs.train(out, data.toString(), LONG_STEPS);
    }

    private void assertUndisturbed(Path run, Printed printed) throws IOException {
        assertThat(printed.code()).as(printed.err()).isZero();
        assertThat(CommandRuns.learning(run)).isEqualTo(CommandRuns.learning(base));
        assertThat(CommandRuns.weights(run, STEPS)).isEqualTo(CommandRuns.weights(base, STEPS));
    }

    private static String log(Path run) throws IOException {
        return Files.readString(run.resolve("kindling.log"));
    }

    @Order(1)
    @Test
    void killsAtRandomStepsChangeNothing() throws Exception {
        Path out = folder.resolve("killed");
        Random random = new Random(SEED);
        List<Integer> checkpoints = List.of(20, 60 + 20 * random.nextInt(2), 120 + 20 * random.nextInt(2));
        System.out.printf("seed %d: kills soon after %s%n", SEED, checkpoints);
        CompletableFuture<Void> killer = CompletableFuture.runAsync(() -> {
            for (int step : checkpoints) {
                CommandRuns.awaitCheckpoint(out, step);
                sleep(random.nextInt(100));
                List<ProcessHandle> executors = CommandRuns.executors();
                executors.get(random.nextInt(executors.size())).destroyForcibly();
            }
        });
        long began = System.nanoTime();
        Printed printed = train(out, corpus);
        killer.get(10, TimeUnit.SECONDS);
        assertUndisturbed(out, printed);
        assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(BOUND);
        assertThat(log(out))
                .contains("Generation 1 failed: rank ", "Generation 3 failed: rank ")
                .contains("its executor is gone: Command exited with code 137")
                .doesNotContain("Connection refused");
    }

    /** Before there is any checkpoint, and between two. */
    @Order(2)
    @Test
    void theReplacementTakesOverTheLastFinishedStepOfTheSurvivor() throws Exception {
        Path out = folder.resolve("survived");
        CompletableFuture<Void> killer = CompletableFuture.runAsync(() -> {
            CommandRuns.awaitStep(out, 10);
            CommandRuns.killAnExecutor();
            CommandRuns.awaitCheckpoint(out, 200);
            CommandRuns.killAnExecutor();
        });
        List<String> settings = new ArrayList<>(List.of(LONG_STEPS));
        settings.addAll(List.of("--set", "checkpoint.interval=200"));
        Printed printed = runs.train(out, corpus.toString(), settings.toArray(String[]::new));
        killer.get(10, TimeUnit.SECONDS);
        assertUndisturbed(out, printed);
        assertThat(goingOn(out)).hasSize(2).allMatch(step -> step > 0);
        assertThat(log(out))
                .containsPattern("begins from step \\d+ in memory")
                .containsPattern("begins from step \\d+ of rank \\d")
                .doesNotContain("on disk");
    }

    /** With {@code train.zero: 1} the parts of the optimizer that the lost rank had come from its neighbour. */
    @Order(2)
    @Test
    void aNeighbourHasThePartOfALostRank() throws Exception {
        Path out = folder.resolve("sharded");
        CompletableFuture<Void> killer = CompletableFuture.runAsync(() -> {
            CommandRuns.awaitStep(out, 10);
            CommandRuns.killAnExecutor();
        });
        List<String> settings = new ArrayList<>(List.of(LONG_STEPS));
        settings.addAll(List.of("--set", "train.zero=1", "--set", "cluster.redundancy=1"));
        settings.addAll(List.of("--set", "checkpoint.interval=200"));
        Printed printed = runs.train(out, corpus.toString(), settings.toArray(String[]::new));
        killer.get(10, TimeUnit.SECONDS);
        assertUndisturbed(out, printed);
        assertThat(goingOn(out)).hasSize(1).allMatch(step -> step > 0);
        assertThat(log(out))
                .contains("begins from step " + goingOn(out).get(0) + " of rank ")
                .doesNotContain("on disk");
    }

    /** The steps from which a run has gone on, each of which a rank held and after which none was lost. */
    private static List<Integer> goingOn(Path run) throws IOException {
        Matcher said = Pattern.compile("going on from step (\\d+) held by rank \\d; 0 finished step\\(s\\) lost")
                .matcher(log(run));
        return said.results().map(one -> Integer.parseInt(one.group(1))).toList();
    }

    @Order(3)
    @Test
    void anExecutorThatIsFrozenFromTheStartIsReplaced() throws Exception {
        signal(CommandRuns.executors().get(0), "STOP");
        Path out = folder.resolve("frozen");
        long began = System.nanoTime();
        // Shards that are there already: the ranks' job is the first that meets the frozen process.
        Printed printed = train(out, base.resolve("data"));
        assertUndisturbed(out, printed);
        assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(BOUND);
        assertThat(log(out)).contains("rendezvous: rank(s) ", "its task was sent to executor ", "did not join within");
    }

    @Order(2)
    @Test
    void aCorruptNewestCheckpointIsPassedOverWithAWarning() throws Exception {
        Path out = folder.resolve("corrupt");
        Printed half =
                runs.train(out, corpus.toString(), "--set", "train.global_batch=64", "--set", "train.max_steps=100");
        assertThat(half.code()).as(half.err()).isZero();
        Path newest = out.resolve("checkpoints/step-0000100/optimizer.safetensors");
        byte[] bytes = Files.readAllBytes(newest);
        bytes[bytes.length / 2] ^= 4;
        Files.write(newest, bytes);
        Printed resumed = runs.run("train", "--out", "" + out, "--resume", "--set", "train.max_steps=" + STEPS);
        assertUndisturbed(out, resumed);
        assertThat(log(out)).contains("skipped step-0000100").contains("optimizer.safetensors is damaged");
    }

    private static void signal(ProcessHandle process, String name) throws IOException, InterruptedException {
        assertThat(new ProcessBuilder("kill", "-" + name, "" + process.pid())
                        .start()
                        .waitFor())
                .isZero();
    }

    private static void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
