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
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Training on packed documents of 1 to 40 characters, longer and shorter than the block size of 16. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
class PackedTrainIT {
    private static final JsonMapper JSON = new JsonMapper();
    private static final int STEPS = 40;

    @TempDir
    private static Path folder;

    private CommandRuns runs;
    private Path corpus;
    private Path base;
    private Printed baseRun;

    @BeforeAll
    void trainOnce() throws IOException {
        corpus = Files.createDirectory(folder.resolve("corpus"));
        String text = Files.readString(CommandRuns.writeCorpus(folder.resolve("text.txt")));
        Random random = new Random(29);
        for (int at = 0, document = 0; document < 120; document++) {
            int end = at + 1 + random.nextInt(40);
            Files.writeString(corpus.resolve("%03d.txt".formatted(document)), text.substring(at, end));
            at = end;
        }
        runs = new CommandRuns("60s");
        base = folder.resolve("base");
        baseRun = train(base, STEPS);
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    private Printed train(Path out, int steps, String... more) {
        List<String> arguments = new ArrayList<>(List.of(
                "--set", "data.packing=documents",
                "--set", "data.val_fraction=0.3",
                "--set", "train.reduction=tree",
                "--set", "train.max_steps=" + steps,
                "--set", "train.eval_interval=20"));
        arguments.addAll(List.of(more));
        Printed printed = runs.train(out, corpus.toString(), arguments.toArray(String[]::new))
                .done();
        return printed;
    }

    private static List<JsonNode> metrics(Path run) throws IOException {
        List<JsonNode> steps = new ArrayList<>();
        try (Stream<String> lines = Files.lines(run.resolve("metrics.jsonl"))) {
            for (String line : lines.toList()) {
                steps.add(JSON.readTree(line));
            }
        }
        return steps;
    }

    @Test
    void itLearnsAndTellsWhatPaddingItSaves() throws IOException {
        List<JsonNode> steps = metrics(base);
        double first = steps.get(0).get("loss").asDouble();
        assertThat(first).isCloseTo(Math.log(30), within(0.5));
        assertThat(steps.get(STEPS - 1).get("loss").asDouble()).isLessThan(0.9 * first);
        double saved = JSON.readTree(base.resolve("summary.json").toFile())
                .get("padding_saved")
                .asDouble();
        assertThat(saved).isBetween(0.1, 0.5);
        assertThat(baseRun.out())
                .contains("%.1f %% of the rows would be padding if each document".formatted(100 * saved));
    }

    @Test
    void oneExecutorTrainsAndEvaluatesAsTwo() throws IOException {
        Path one = folder.resolve("one");
        train(one, STEPS, "--executors", "1");
        assertThat(CommandRuns.weights(one, STEPS)).isEqualTo(CommandRuns.weights(base, STEPS));
        List<JsonNode> expected = metrics(base);
        List<JsonNode> steps = metrics(one);
        for (int i = 0; i < STEPS; i++) {
            assertThat(steps.get(i).get("val_loss")).isEqualTo(expected.get(i).get("val_loss"));
            double loss = expected.get(i).get("loss").asDouble();
            assertThat(steps.get(i).get("loss").asDouble()).isCloseTo(loss, within(1e-6 * loss));
        }
    }

    @Test
    void backendsAgree() throws IOException {
        Path math = folder.resolve("math");
        train(math, 20, "--attention", "math");
        JsonNode last = metrics(math).get(19);
        JsonNode expected = metrics(base).get(19);
        assertThat(last.get("loss").asDouble()).isCloseTo(expected.get("loss").asDouble(), within(1e-4));
        assertThat(last.get("val_loss").asDouble())
                .isCloseTo(expected.get("val_loss").asDouble(), within(1e-4));
        assertThat(JSON.readTree(math.resolve("summary.json").toFile())
                        .get("attention")
                        .asText())
                .isEqualTo("math");
    }

    @Test
    void aResumedRunIsTheUndisturbedOne() throws IOException {
        Path half = folder.resolve("half");
        train(half, 20);
        runs.run("train", "--out", half.toString(), "--resume", "--set", "train.max_steps=" + STEPS)
                .done();
        assertThat(CommandRuns.weights(half, STEPS)).isEqualTo(CommandRuns.weights(base, STEPS));
    }
}
