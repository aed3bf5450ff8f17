package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kindling.job.CommandRuns.Printed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Disks that become full: at once, in one line, with nothing half-written, and a run that can be resumed. The disks are
 * real ones, which needs the right to mount them; without it these tests are skipped.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
class FullDiskIT {
    @TempDir
    private static Path folder;

    private final Deque<Path> mounted = new ArrayDeque<>();
    private CommandRuns runs;
    private Path corpus;
    private Path trained;

    @BeforeAll
    void trainOnce() throws IOException, InterruptedException {
        disk("probe", 64);
        unmount();
        runs = new CommandRuns("60s");
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        trained = folder.resolve("trained");
        runs.train(trained, corpus.toString()).done();
    }

    @AfterAll
    void stop() {
        if (runs != null) {
            runs.close();
        }
    }

    @AfterEach
    void unmount() throws IOException, InterruptedException {
        while (!mounted.isEmpty()) {
            assertThat(done("umount", "-l", mounted.pop().toString())).isTrue(); // executors may have files open
        }
    }

    /** A disk of so many kibibytes. */
    private Path disk(String name, int kibibytes) throws IOException, InterruptedException {
        Path disk = Files.createDirectories(folder.resolve(name));
        assumeTrue(
                done("mount", "-t", "tmpfs", "-o", "size=" + kibibytes + "k", "tmpfs", disk.toString()),
                "this user may not mount a file system, so full disks are not tested");
        mounted.push(disk);
        return disk;
    }

    private static boolean done(String... command) throws IOException, InterruptedException {
        try {
            return new ProcessBuilder(command).redirectErrorStream(true).start().waitFor() == 0;
        } catch (IOException e) { // no such program
            return false;
        }
    }

    private static void enlarge(Path disk) throws IOException, InterruptedException {
        assertThat(done("mount", "-o", "remount,size=16m", disk.toString())).isTrue();
    }

    /** Leaves so many kibibytes free. */
    private static void fill(Path disk, int kibibytes) throws IOException {
        long bytes = Files.getFileStore(disk).getUsableSpace() - kibibytes * 1024L;
        Files.write(disk.resolve("filler"), new byte[(int) bytes]);
    }

    private static void assertFull(Printed printed, Path disk) {
        assertThat(printed.err())
                .startsWith("kindling: ")
                .hasLineCount(1)
                .contains("No space left on device", disk.toString(), "free space");
        assertThat(printed.code()).as(printed.err()).isEqualTo(1);
    }

    private static List<String> names(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }

    @Test
    void aTrainingWhoseCheckpointsFillTheDiskEndsAtOnceAndCanBeResumed() throws Exception {
        Path disk = disk("checkpoints", 1024);
        Path run = disk.resolve("run");
        long began = System.nanoTime();
        Printed printed = runs.train(run, corpus.toString(), CommandRuns.set("checkpoint.keep=20"));
        assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(30));
        assertFull(printed, disk);
        assertThat(printed.err()).contains("could not write checkpoint step-", "--resume");
        assertThat(names(run.resolve("checkpoints")))
                .contains("step-0000020")
                .allMatch(name -> name.startsWith("step-"));
        assertThat(run.resolve(".owner")).doesNotExist();
        assertThat(run.resolve("kindling.log")).content().doesNotContain("Generation 2");
        enlarge(disk);
        runs.run("train", "--out", run.toString(), "--resume").done();
        assertThat(CommandRuns.weights(run, 120)).isEqualTo(CommandRuns.weights(trained, 120));
        assertThat(CommandRuns.learning(run)).isEqualTo(CommandRuns.learning(trained));
    }

    @Test
    void aTrainingWhoseMetricsFillTheDiskGoesOnToItsCheckpointAndCanBeResumed() throws Exception {
        Path disk = disk("metrics", 160);
        Path run = disk.resolve("run");
        Printed printed = runs.train(
                run,
                corpus.toString(),
                CommandRuns.set("train.max_steps=5000", "train.eval_interval=500", "checkpoint.interval=5000"));
        assertFull(printed, disk);
        assertThat(printed.err()).contains("could not write checkpoint step-0000500", "--resume");
        assertThat(run.resolve("config.yaml")).content().contains("max_steps: 5000");
        enlarge(disk);
        runs.run("train", "--out", run.toString(), "--resume", "--set", "train.max_steps=4")
                .done();
        assertThat(CommandRuns.learning(run))
                .isEqualTo(CommandRuns.learning(trained).subList(0, 4));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 8})
    void aTrainingThatCannotBeginLeavesNothing(int kibibytes) throws Exception {
        Path disk = disk("begin" + kibibytes, 64);
        fill(disk, kibibytes);
        assertFull(runs.train(disk.resolve("run"), corpus.toString()), disk);
        assertThat(names(disk)).containsExactly("filler");
    }

    @ParameterizedTest
    @ValueSource(strings = {"evaluate", "generate", "prepare", "profile", "compare"})
    void resultsThatDoNotFitLeaveNothing(String command) throws Exception {
        Path disk = disk(command, 64);
        fill(disk, 8);
        long began = System.nanoTime();
        Printed printed = runs.run(Stream.concat(
                        Stream.of(arguments(command)),
                        Stream.of("--out", disk.resolve("results").toString()))
                .toArray(String[]::new));
        assertFull(printed, disk);
        assertThat(names(disk)).containsExactly("filler");
        assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(60));
    }

    private String[] arguments(String command) throws IOException {
        Path lines = folder.resolve("lines.txt");
        Files.write(lines, Collections.nCopies(400, "the king and a queen"));
        String settings = "--config shakespeare-char-cpu --device cpu --set model.n_layer=1 --set model.n_embd=32"
                + " --set model.block_size=16 --set train.global_batch=8 --set train.micro_batch=2";
        return switch (command) {
            case "evaluate" -> {
                Path table = folder.resolve("table.jsonl");
                Files.write(table, Collections.nCopies(5000, "{\"text\": \"the king and a queen\"}"));
                yield ("evaluate --device cpu --checkpoint " + trained + " --column text --data " + table).split(" ");
            }
            case "generate" ->
                ("generate --device cpu --max-tokens 40 --checkpoint " + trained + " --prompts " + lines).split(" ");
            case "prepare" -> ("prepare --tokenizer char --corpus " + corpus).split(" ");
            case "profile" -> ("profile --steps 20 " + settings).split(" ");
            default ->
                ("compare --backends math --steps 2 --executors 2 " + settings + " --set data.corpus=" + corpus)
                        .split(" ");
        };
    }
}
