package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.coordinate.EmbeddedCluster;
import dev.kindling.coordinate.message.Limits;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.SparkSession;

/** Runs commands in this JVM, all in one Spark application with real executor processes, two where nothing else is said. */
public final class CommandRuns implements AutoCloseable {
    /** A model that learns the words of {@link #writeCorpus} in a few steps; four micro-batches a step. */
    static final List<String> TINY = List.of(
            "model.n_layer=1",
            "model.n_head=2",
            "model.n_embd=32",
            "model.block_size=16",
            "train.global_batch=8",
            "train.micro_batch=2",
            "train.max_steps=120",
            "train.lr=3e-3",
            "train.warmup_steps=10",
            "train.lr_decay_steps=120",
            "train.eval_interval=40",
            "train.eval_batches=4",
            "checkpoint.interval=20",
            "cluster.min_executors=1");

    private static final JsonMapper JSON = new JsonMapper();

    private final EmbeddedCluster cluster;
    private final SparkSession session;

    /** What a command printed, and its exit code. */
    public record Printed(int code, String out, String err) {
        /** Checks that the command has ended well. */
        public Printed done() {
            assertThat(code).as(err).isZero();
            return this;
        }

        /** Checks that it has failed with this code, and said so in one line. */
        public void refused(int expected, CharSequence... said) {
            assertThat(err).startsWith("kindling: ").hasLineCount(1).contains(said);
            assertThat(code).as(err).isEqualTo(expected);
        }
    }

    /** @param slotsTimeout how long a job waits for executors, such as {@code 2s} */
    public CommandRuns(String slotsTimeout) {
        this(slotsTimeout, 2);
    }

    CommandRuns(String slotsTimeout, int executors) {
        this(slotsTimeout, executors, Map.of());
    }

    public CommandRuns(String slotsTimeout, int executors, Map<String, String> more) {
        Map<String, String> settings = new HashMap<>(Map.of(
                "spark.executor.extraJavaOptions",
                "-XX:+UseSerialGC",
                "spark.scheduler.minRegisteredResourcesRatio",
                "1.0",
                Limits.SLOTS,
                slotsTimeout));
        settings.putAll(more);
        cluster = new EmbeddedCluster(executors, settings);
        session = SparkSession.builder().getOrCreate();
    }

    public Printed run(String... args) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        StringWriter err = new StringWriter();
        PrintStream console = System.out;
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        try {
            PrintWriter printed = new PrintWriter(out, true, StandardCharsets.UTF_8);
            int code = new Kindling(Kindling.jobs(), Clock.systemUTC(), printed, new PrintWriter(err, true)).run(args);
            return new Printed(code, out.toString(StandardCharsets.UTF_8), err.toString());
        } finally {
            System.setOut(console);
        }
    }

    /** The arguments that set keys of the configuration, {@code section.key=value}. */
    public static String[] set(String... settings) {
        return Stream.of(settings)
                .flatMap(setting -> Stream.of("--set", setting))
                .toArray(String[]::new);
    }

    /** Trains the tiny model in {@code out} with further arguments. */
    public Printed train(Path out, String corpus, String... more) {
        return run(trainArguments(out, corpus, more));
    }

    public static String[] trainArguments(Path out, String corpus, String... more) {
        return trainArguments(out.toString(), corpus, more);
    }

    /** The same for a run directory on any file system. */
    public static String[] trainArguments(String out, String corpus, String... more) {
        Stream<String> settings = Stream.concat(TINY.stream(), Stream.of("data.corpus=" + corpus));
        return Stream.of(
                        Stream.of("train", "--config", "shakespeare-char-cpu", "--device", "cpu", "--out", out),
                        settings.flatMap(setting -> Stream.of("--set", setting)),
                        Stream.of(more))
                .flatMap(arguments -> arguments)
                .toArray(String[]::new);
    }

    /** Kills one of the executor processes with SIGKILL. */
    static void killAnExecutor() {
        executors().get(0).destroyForcibly();
    }

    /**
     * Waits, three minutes at most, until a run has committed a checkpoint of that step or a later one: a condition that
     * stays true, where the checkpoint of one step may be gone before anybody looks.
     *
     * @return the newest step that is committed
     */
    public static int awaitCheckpoint(Path run, int step) {
        long end = System.nanoTime() + Duration.ofMinutes(3).toNanos();
        int newest = newestCheckpoint(run);
        while (newest < step) {
            if (System.nanoTime() > end) {
                throw new AssertionError("no checkpoint of step " + step + " in " + run + ", the newest is " + newest);
            }
            LockSupport.parkNanos(1_000_000);
            newest = newestCheckpoint(run);
        }
        return newest;
    }

    /** Waits, three minutes at most, until metrics.jsonl has a line of that step. */
    public static void awaitStep(Path run, int step) {
        long end = System.nanoTime() + Duration.ofMinutes(3).toNanos();
        String wanted = "\"step\":" + step + ",";
        while (!hasLine(run.resolve("metrics.jsonl"), wanted)) {
            if (System.nanoTime() > end) {
                throw new AssertionError("no step " + step + " in " + run);
            }
            LockSupport.parkNanos(1_000_000);
        }
    }

    /** Waits, three minutes at most, until a folder has a file whose name matches. */
    static void awaitFile(Path folder, String pattern) {
        long end = System.nanoTime() + Duration.ofMinutes(3).toNanos();
        while (folder.toFile().list((parent, name) -> name.matches(pattern)).length == 0) {
            if (System.nanoTime() > end) {
                throw new AssertionError("no " + pattern + " in " + folder);
            }
            LockSupport.parkNanos(10_000_000);
        }
    }

    private static boolean hasLine(Path file, String part) {
        try {
            return Files.exists(file) && Files.readString(file).contains(part);
        } catch (IOException e) { // being replaced
            return false;
        }
    }

    /** The newest step that a run has committed, 0 where there is none. */
    private static int newestCheckpoint(Path run) {
        String[] names = run.resolve("checkpoints").toFile().list((folder, name) -> name.matches("step-\\d+"));
        return Stream.of(names == null ? new String[0] : names)
                .filter(name ->
                        Files.exists(run.resolve("checkpoints").resolve(name).resolve("state.json")))
                .mapToInt(name -> Integer.parseInt(name.substring("step-".length())))
                .max()
                .orElse(0);
    }

    /** The executor processes of this JVM's cluster. */
    public static List<ProcessHandle> executors() {
        return ProcessHandle.current()
                .descendants()
                .filter(process -> process.info().arguments().stream()
                        .flatMap(Stream::of)
                        .anyMatch(argument -> argument.contains("CoarseGrainedExecutorBackend")))
                .toList();
    }

    /** A page of dialogue in words that repeat. */
    public static Path writeCorpus(Path file) throws IOException {
        String[] words = "the king and a queen did walk upon the night with sorrow in her heart".split(" ");
        String[] speakers = {"ROMEO", "JULIET", "NURSE"};
        Random random = new Random(13);
        StringBuilder text = new StringBuilder();
        for (int line = 0; line < 207; line++) {
            text.append(speakers[random.nextInt(speakers.length)]).append(":\n");
            for (int word = 0; word < 7; word++) {
                text.append(words[random.nextInt(words.length)]).append(' ');
            }
            text.append(".\n\n");
        }
        return Files.writeString(file, text);
    }

    /** Copies a folder with all that is in it to a new one. */
    static Path copy(Path from, Path to) throws IOException {
        try (Stream<Path> found = Files.walk(from)) {
            for (Path file : found.toList()) {
                Files.copy(file, to.resolve(from.relativize(file).toString()));
            }
        }
        return to;
    }

    /** What two runs of the same training have in common in metrics.jsonl: all but times. A last line that is torn does not count. */
    public static List<String> learning(Path run) throws IOException {
        List<String> learned = new ArrayList<>();
        String text = Files.readString(run.resolve("metrics.jsonl"));
        for (String line : text.substring(0, text.lastIndexOf('\n') + 1).lines().toList()) {
            JsonNode step = JSON.readTree(line);
            learned.add(Stream.of("step", "loss", "lr", "grad_norm")
                    .map(key -> key + " " + step.path(key))
                    .collect(Collectors.joining(", ")));
        }
        return learned;
    }

    /** The training loss of every step. */
    public static List<Double> losses(Path run) throws IOException {
        List<Double> losses = new ArrayList<>();
        for (String line : Files.readAllLines(run.resolve("metrics.jsonl"))) {
            losses.add(JSON.readTree(line).path("loss").asDouble());
        }
        return losses;
    }

    public static byte[] weights(Path run, int step) throws IOException {
        return Files.readAllBytes(run.resolve("checkpoints/step-%07d/model.safetensors".formatted(step)));
    }

    SparkContext spark() {
        return session.sparkContext();
    }

    @Override
    public void close() {
        session.stop();
        cluster.close();
    }
}
