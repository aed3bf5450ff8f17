package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.job.CommandRuns.Printed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Whole jobs on two executor processes, compared with one undisturbed training run. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class TrainIT {
    private static final JsonMapper JSON = new JsonMapper();
    private static final int STEPS = 120;

    @TempDir
    private static Path folder;

    private CommandRuns runs;
    private Path corpus;
    private Path base;
    private Printed baseRun;

    @BeforeAll
    void trainOnce() throws IOException {
        runs = new CommandRuns("60s");
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        base = folder.resolve("base");
        baseRun = runs.train(base, corpus.toString());
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    private Path trained(String name, String... more) {
        Path out = folder.resolve(name);
        runs.train(out, corpus.toString(), more).done();
        return out;
    }

    private static List<JsonNode> metrics(Path run) throws IOException {
        try (Stream<String> lines = Files.lines(run.resolve("metrics.jsonl"))) {
            return lines.map(TrainIT::parse).toList();
        }
    }

    private static JsonNode parse(String line) {
        try {
            return JSON.readTree(line);
        } catch (IOException e) {
            throw new IllegalStateException("not JSON: " + line, e);
        }
    }

    private static void assertSameTraining(Path run, Path expected) throws IOException {
        assertThat(CommandRuns.learning(run)).isEqualTo(CommandRuns.learning(expected));
        assertThat(CommandRuns.weights(run, STEPS)).isEqualTo(CommandRuns.weights(expected, STEPS));
    }

    @Test
    void aRunLeavesACompleteDirectoryAndPrintsASample() throws IOException {
        baseRun.done();
        assertThat(baseRun.err()).isEmpty();
        assertThat(baseRun.out()).contains("--- a sample ---", "trained 120 steps on 2 executor(s)");
        List<JsonNode> steps = metrics(base);
        assertThat(steps)
                .extracting(step -> step.get("step").asInt())
                .isEqualTo(IntStream.rangeClosed(1, STEPS).boxed().toList());
        for (JsonNode step : steps) {
            assertThat(step.properties())
                    .extracting(java.util.Map.Entry::getKey)
                    .contains("step", "loss", "lr", "grad_norm", "tokens_per_second", "step_millis");
            assertThat(step.has("val_loss")).isEqualTo(step.get("step").asInt() % 40 == 0);
        }
        assertThat(steps.get(STEPS - 1).get("loss").asDouble())
                .isLessThan(0.75 * steps.get(0).get("loss").asDouble());
        JsonNode summary = JSON.readTree(base.resolve("summary.json").toFile());
        assertThat(summary.get("steps").asInt()).isEqualTo(STEPS);
        assertThat(summary.get("world_size").asInt()).isEqualTo(2);
        assertThat(summary.get("device").asText()).startsWith("CPU");
        assertThat(summary.has("joules_per_thousand_tokens")).isFalse(); // a CPU counts none
        assertThat(summary.get("attention").asText()).isEqualTo("flash");
        assertThat(summary.get("allreduce").asText()).isEqualTo("ring");
        assertThat(summary.get("train_loss")).isEqualTo(steps.get(STEPS - 1).get("loss"));
        assertThat(summary.get("best_val_loss").asDouble()).isBetween(0.1, 3.0);
        assertThat(summary.get("tokens_per_second").asDouble()).isPositive();
        assertThat(summary.get("wall_seconds").asDouble()).isPositive();
        assertThat(base.resolve("config.yaml")).content().contains("max_steps: 120", corpus.toString());
        assertThat(base.resolve("kindling.log")).isRegularFile();
        try (Stream<Path> files = Files.list(base);
                Stream<Path> checkpoints = Files.list(base.resolve("checkpoints"))) {
            assertThat(files.filter(file -> file.getFileName().toString().startsWith("events.out.tfevents.")))
                    .singleElement()
                    .satisfies(file -> assertThat(Files.size(file)).isGreaterThan(1000));
            assertThat(checkpoints.map(path -> path.getFileName().toString()))
                    .containsExactlyInAnyOrder("step-0000080", "step-0000100", "step-0000120");
        }
    }

    @Test
    void oneSeedGivesOneResultAndAnotherSeedAnother() throws IOException {
        assertSameTraining(trained("again"), base);
        Path other = trained("other", "--set", "train.seed=7", "--set", "train.max_steps=20");
        assertThat(CommandRuns.weights(other, 20)).isNotEqualTo(CommandRuns.weights(base, 80));
        assertThat(CommandRuns.learning(other).get(0))
                .isNotEqualTo(CommandRuns.learning(base).get(0));
    }

    @Test
    void aRunStoppedAtHalfAndResumedIsTheUndisturbedOne() throws IOException {
        Path half = trained("half", "--set", "train.max_steps=80");
        runs.run("train", "--out", half.toString(), "--resume", "--set", "train.max_steps=" + STEPS)
                .done();
        assertSameTraining(half, base);
        assertThat(half.resolve("config.yaml")).content().contains("max_steps: 120");
    }

    @Test
    void transportsAgree() throws IOException {
        Path driver = trained("driver", "--allreduce", "driver");
        assertSameTraining(driver, base);
        assertThat(JSON.readTree(driver.resolve("summary.json").toFile())
                        .get("allreduce")
                        .asText())
                .isEqualTo("driver");
    }

    @Test
    void theValidationLossDoesNotDependOnTheExecutors() throws IOException {
        String[] once = {"--set", "train.max_steps=1", "--set", "train.eval_batches=13", "--executors"};
        Path one = trained("one", once[0], once[1], once[2], once[3], once[4], "1");
        Path two = trained("two", once[0], once[1], once[2], once[3], once[4], "2");
        double expected = metrics(two).get(0).get("val_loss").asDouble();
        assertThat(metrics(one).get(0).get("val_loss").asDouble()).isCloseTo(expected, within(1e-6 * expected));
        assertThat(metrics(one).get(0).get("loss").asDouble())
                .isCloseTo(metrics(two).get(0).get("loss").asDouble(), within(1e-6 * expected));
    }

    @Test
    void preparedShardsTrainTheSameModel() throws IOException {
        Path shards = folder.resolve("shards");
        Printed prepared = runs.run(
                        "prepare", "--corpus", corpus.toString(), "--tokenizer", "char", "--out", shards.toString())
                .done();
        assertThat(prepared.out()).contains("training and", "validation tokens, vocabulary");
        Path out = folder.resolve("prepared");
        assertThat(runs.train(out, shards.toString(), CommandRuns.set("train.max_steps=20"))
                        .code())
                .isZero();
        assertThat(CommandRuns.learning(out))
                .isEqualTo(CommandRuns.learning(base).subList(0, 20));
        assertThat(out.resolve("data")).doesNotExist();
    }

    @Test
    void oneSeedGeneratesOneText() {
        Printed first = generate("ROMEO:", "1").done();
        assertThat(first.out()).startsWith("ROMEO:").hasSizeGreaterThan(100);
        assertThat(generate("ROMEO:", "1")).isEqualTo(first);
        assertThat(generate("ROMEO:", "2").out()).isNotEqualTo(first.out());
    }

    private Printed generate(String prompt, String seed) {
        return generate(base, prompt, seed);
    }

    private Printed generate(Path checkpoint, String prompt, String seed, String... more) {
        List<String> arguments = new ArrayList<>(List.of("generate", "--checkpoint", checkpoint.toString()));
        arguments.addAll(List.of("--prompt", prompt, "--seed", seed, "--max-tokens", "100"));
        arguments.addAll(List.of(more));
        return runs.run(arguments.toArray(String[]::new));
    }

    /** A learning rate that is far too high: the loss falls for some steps only. */
    @Test
    void theBestCheckpointIsKeptAndPatienceEndsTheRun() throws IOException {
        int patience = 3;
        Path out = folder.resolve("patience");
        Printed printed = runs.train(
                        out,
                        corpus.toString(),
                        CommandRuns.set(
                                "train.lr=0.3",
                                "train.min_lr=0.3",
                                "train.eval_interval=5",
                                "train.patience=" + patience,
                                "checkpoint.keep=1"))
                .done();
        List<JsonNode> evaluated =
                metrics(out).stream().filter(step -> step.has("val_loss")).toList();
        JsonNode best = Collections.min(
                evaluated,
                Comparator.comparingDouble(step -> step.get("val_loss").asDouble()));
        int bestStep = best.get("step").asInt();
        int steps = bestStep + patience * 5;
        assertThat(metrics(out)).hasSize(steps);
        assertThat(steps).isLessThan(STEPS);
        JsonNode summary = JSON.readTree(out.resolve("summary.json").toFile());
        assertThat(summary.get("steps").asInt()).isEqualTo(steps);
        assertThat(summary.get("best_val_loss")).isEqualTo(best.get("val_loss"));
        assertThat(printed.out()).contains("trained " + steps + " steps", "at step " + bestStep, "train.patience");
        Path bestCheckpoint = out.resolve("checkpoints/step-%07d".formatted(bestStep));
        Path newest = out.resolve("checkpoints/step-%07d".formatted(steps));
        try (Stream<Path> checkpoints = Files.list(out.resolve("checkpoints"))) {
            assertThat(checkpoints).containsExactlyInAnyOrder(bestCheckpoint, newest);
        }

        Printed text = generate(out, "ROMEO:", "1").done();
        assertThat(text).isEqualTo(generate(bestCheckpoint, "ROMEO:", "1"));
        assertThat(generate(out, "ROMEO:", "1", "--which", "latest")).isEqualTo(generate(newest, "ROMEO:", "1"));
        assertThat(text).isNotEqualTo(generate(newest, "ROMEO:", "1"));
        Printed resumed = runs.run("train", "--out", out.toString(), "--resume").done();
        assertThat(resumed.out()).contains("has ended at step " + steps + " by train.patience");
        assertThat(metrics(out)).hasSize(steps);
        assertThat(JSON.readTree(out.resolve("summary.json").toFile())).isEqualTo(summary);
    }
}
