package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.job.CommandRuns.Printed;
import dev.kindling.storage.RemoteDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.hadoop.fs.FileUtil;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a training may start from, and what a resume refuses before it changes anything. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
class ResumeIT {
    private static final JsonMapper JSON = new JsonMapper();
    private static final int STEPS = 4;

    @TempDir
    private static Path folder;

    private CommandRuns runs;
    private Path corpus;
    private Path otherCorpus;
    private Path trained;
    private int copies;

    @BeforeAll
    void trainOnce() throws IOException {
        runs = new CommandRuns("60s", 2, RemoteDisk.SETTINGS);
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        otherCorpus = Files.writeString(
                folder.resolve("other.txt"), Files.readString(corpus).replace('q', '\u00e9'), StandardCharsets.UTF_8);
        trained = folder.resolve("trained");
        train(trained, corpus).done();
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    private Printed train(Path out, Path data, String... settings) {
        return runs.train(out, data.toString(), set("train.max_steps=" + STEPS, "checkpoint.interval=2", settings));
    }

    private static String[] set(String first, String second, String... more) {
        return Stream.concat(Stream.of(first, second), Stream.of(more))
                .flatMap(setting -> Stream.of("--set", setting))
                .toArray(String[]::new);
    }

    private Printed resume(Path run, String... settings) {
        return runs.run(Stream.concat(
                        Stream.of("train", "--out", run.toString(), "--resume"),
                        Stream.of(settings).flatMap(setting -> Stream.of("--set", setting)))
                .toArray(String[]::new));
    }

    /** One line that says so, and all files of the run as they were. */
    private static void assertRefused(Printed printed, int code, Path run, Map<String, String> before, String... said)
            throws IOException {
        printed.refused(code, said);
        assertThat(files(run)).isEqualTo(before);
    }

    /** The content of every file but the log and the lock. */
    private static Map<String, String> files(Path run) throws IOException {
        Map<String, String> files = new TreeMap<>();
        try (Stream<Path> found = Files.walk(run)) {
            for (Path file : found.filter(Files::isRegularFile).toList()) {
                files.put(run.relativize(file).toString(), Files.readString(file, StandardCharsets.ISO_8859_1));
            }
        }
        files.remove(".lock");
        files.remove("kindling.log");
        return files;
    }

    @ParameterizedTest
    @CsvSource({
        "model.n_layer=2, model.n_layer is 1",
        "model.dropout=0.5, model.dropout is",
        "data.corpus=shakespeare, data.corpus is file:",
        "data.tokenizer=gpt2, data.tokenizer is char",
        "data.val_fraction=0.2, data.val_fraction is 0.1",
        "data.packing=documents, data.packing is windows",
        "train.global_batch=16, train.global_batch is 8",
        "train.seed=7, train.seed is 1337",
        "train.init_from=/elsewhere, train.init_from is scratch"
    })
    void whatMakesItAnotherTrainingIsRefusedByName(String setting, String said) throws IOException {
        assertRefused(
                resume(trained, setting, "train.max_steps=6"),
                2,
                trained,
                files(trained),
                "a resume goes on with the same training",
                said,
                "another --out");
    }

    /** What rounding draws depends on the step and the weight alone, whoever updates it. */
    @Test
    void stateInBf16GoesOnToTheBitWholeOrSharded() throws IOException {
        Path whole = folder.resolve("bf16");
        train(whole, corpus, "train.moments=bf16", "train.gradients=bf16").done();
        Path run = folder.resolve("bf16 resumed");
        train(run, corpus, "train.moments=bf16", "train.gradients=bf16", "train.max_steps=2")
                .done();
        resume(run, "train.max_steps=" + STEPS, "train.zero=1", "cluster.allreduce=driver")
                .done();
        assertThat(CommandRuns.weights(run, STEPS))
                .isEqualTo(CommandRuns.weights(whole, STEPS))
                .isNotEqualTo(CommandRuns.weights(trained, STEPS));
        String optimizer = "checkpoints/step-0000004/optimizer.safetensors";
        assertThat(Files.size(run.resolve(optimizer))).isLessThan(Files.size(trained.resolve(optimizer)) * 11 / 20);
    }

    @Test
    void scheduleIntervalsAndClusterMayChange() throws IOException {
        Path run = CommandRuns.copy(trained, folder.resolve("copy" + copies++));
        resume(run, "train.max_steps=6", "train.lr=1e-3", "train.eval_interval=3", "cluster.executors=1")
                .done();
        assertThat(run.resolve("checkpoints/step-0000006")).exists();
        assertThat(run.resolve("config.yaml")).content().contains("max_steps: 6", "executors: 1");
        assertThat(CommandRuns.learning(run)).hasSize(6);
    }

    @Test
    void aResumeThatMakesNoStepLeavesTheRunAsItWas() throws IOException {
        Path run = CommandRuns.copy(trained, folder.resolve("copy" + copies++));
        assertRefused(
                resume(run, "train.max_steps=6", "cluster.attention=efficient"),
                1,
                run,
                files(run),
                "EFFICIENT runs on CUDA only");
        resume(run, "train.max_steps=6").done();
    }

    @Test
    void aFinishedRunIsSaidToBeSo() throws IOException {
        Map<String, String> before = files(trained);
        Printed printed = resume(trained);
        printed.done();
        assertThat(printed.out())
                .contains("has done all of its 4 steps", "train.max_steps")
                .hasLineCount(1);
        assertThat(files(trained)).isEqualTo(before);
        assertRefused(
                resume(trained, "train.max_steps=3"), 2, trained, before, "train.max_steps is 3", "has done 4 steps");
    }

    @Test
    void aRunThatEndedBeforeItsSummaryGetsOne() throws IOException {
        Path run = CommandRuns.copy(trained, folder.resolve("copy" + copies++));
        Files.delete(run.resolve("summary.json"));
        Printed printed = resume(run);
        printed.done();
        assertThat(printed.out())
                .contains("--- a sample ---", "trained 4 steps")
                .doesNotContain("NaN", "tokens/s");
        JsonNode summary = JSON.readTree(run.resolve("summary.json").toFile());
        assertThat(summary.get("steps").asInt()).isEqualTo(4);
        assertThat(summary.has("train_loss")).isFalse();
        assertThat(summary.get("best_val_loss").isNumber()).isTrue();
    }

    @Test
    void aRunThatEndedBeforeItsFirstCheckpointBeginsAgainAndSaysSo() throws IOException {
        Path run = CommandRuns.copy(trained, folder.resolve("copy" + copies++));
        FileUtil.fullyDelete(run.resolve("checkpoints").toFile());
        Files.delete(run.resolve("summary.json"));
        List<String> metrics = Files.readAllLines(run.resolve("metrics.jsonl"));
        Files.write(run.resolve("metrics.jsonl"), metrics.subList(0, 1));
        Printed printed = resume(run);
        printed.done();
        assertThat(printed.out()).contains("has no checkpoint yet: training begins at step 0", "1 step(s)");
        assertThat(CommandRuns.weights(run, STEPS)).isEqualTo(CommandRuns.weights(trained, STEPS));
        assertThat(CommandRuns.learning(run)).isEqualTo(CommandRuns.learning(trained));
    }

    @Test
    void aRunThatHasLostItsCheckpointsDoesNotBeginAgain() throws IOException {
        Path run = CommandRuns.copy(trained, folder.resolve("copy" + copies++));
        FileUtil.fullyDelete(run.resolve("checkpoints").toFile());
        assertRefused(
                resume(run, "train.max_steps=6"),
                1,
                run,
                files(run),
                "has done 4 steps, as metrics.jsonl says, but holds no checkpoint",
                "restore its checkpoints");
    }

    @Test
    void aRunWhoseCheckpointsAreAllDamagedDoesNotBeginAgain() throws IOException {
        Path run = CommandRuns.copy(trained, folder.resolve("copy" + copies++));
        for (String step : List.of("step-0000002", "step-0000004")) {
            Files.writeString(run.resolve("checkpoints").resolve(step).resolve("model.safetensors"), "damaged");
        }
        assertRefused(
                resume(run, "train.max_steps=6"),
                1,
                run,
                files(run),
                "can be read",
                "step-0000002/model.safetensors is damaged");
    }

    @Test
    void otherShardsInTheSamePlaceAreRefused() throws IOException {
        Path shards = folder.resolve("shards");
        prepare(corpus, shards).done();
        Path run = folder.resolve("of-shards");
        train(run, shards).done();
        FileUtil.fullyDelete(shards.toFile());
        prepare(otherCorpus, shards).done();
        assertRefused(
                resume(run, "train.max_steps=6"),
                2,
                run,
                files(run),
                "was trained with another vocabulary",
                "only there 'q', only here '\u00e9'");
        FileUtil.fullyDelete(shards.toFile());
        prepare(corpus, shards, "--val-fraction", "0.2").done();
        assertRefused(
                resume(run, "train.max_steps=6"), 2, run, files(run), "shards has changed", "begin another run with");
    }

    private Printed prepare(Path from, Path out, String... more) {
        List<String> arguments = new ArrayList<>(List.of("prepare", "--corpus", "" + from, "--tokenizer", "char"));
        arguments.addAll(List.of("--out", "" + out));
        arguments.addAll(List.of(more));
        return runs.run(arguments.toArray(String[]::new));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "checkpoints/step-0000004", "checkpoints"})
    void weightsBeginFromARunOrACheckpointWhereverItIs(String within) throws IOException {
        Path from = trained.resolve(within);
        String relative = Path.of("").toAbsolutePath().relativize(from).toString();
        Path first = null;
        for (String location : List.of(from.toString(), relative, "remote:" + from)) {
            Path out = folder.resolve("from" + copies++);
            train(out, corpus, "train.init_from=" + location).done();
            assertThat(out.resolve("config.yaml")).content().contains("trained/checkpoints/step-0000004");
            assertThat(CommandRuns.losses(out).get(0))
                    .isLessThan(CommandRuns.losses(trained).get(0) - 0.01);
            first = first == null ? out : first;
            assertThat(CommandRuns.learning(out))
                    .isEqualTo(CommandRuns.learning(first).subList(0, STEPS));
            if (!location.startsWith("remote:")) {
                resume(out, "train.max_steps=5", "train.init_from=" + location).done();
            }
        }
    }

    @Test
    void weightsOfAnotherModelOrVocabularyAreRefused() throws IOException {
        Path out = folder.resolve("refused");
        String from = "train.init_from=" + trained;
        assertNoRun(train(out, otherCorpus, from), out, "another vocabulary", "only there 'q', only here '\u00e9'");
        assertNoRun(train(out, corpus, from, "model.n_head=4"), out, "another model: model.n_head is 2, not 4");
        assertNoRun(train(out, corpus, "train.init_from=" + folder.resolve("none")), out, "train.init_from", "none");
        assertNoRun(train(out, corpus, "train.init_from=" + folder), out, "holds no committed checkpoint");
    }

    private static void assertNoRun(Printed printed, Path out, String... said) {
        printed.refused(2, said);
        assertThat(out).doesNotExist();
    }
}
