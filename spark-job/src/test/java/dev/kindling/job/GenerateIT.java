package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.generate.Completions;
import dev.kindling.job.CommandRuns.Printed;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Prompts on two executor processes: the same texts however they are divided. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
class GenerateIT {
    @TempDir
    private static Path folder;

    private CommandRuns runs;
    private Path trained;
    private Path prompts;

    @BeforeAll
    void trainOnce() throws IOException {
        runs = new CommandRuns("60s");
        Path corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        trained = folder.resolve("trained");
        runs.train(trained, corpus.toString(), CommandRuns.set("train.max_steps=40"))
                .done();
        prompts = folder.resolve("prompts.txt");
        // From one character to more than the context of 16 holds.
        Files.write(
                prompts,
                IntStream.range(0, 11)
                        .mapToObj(i -> "ROMEO:\nthe king and a queen"
                                .replace('\n', ' ')
                                .substring(0, 1 + 2 * i))
                        .toList());
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    private Printed generate(Object... options) {
        return runs.run(Stream.concat(
                        Stream.of("generate", "--checkpoint", "" + trained, "--device", "cpu", "--max-tokens", "40"),
                        Stream.of(options).map(Object::toString))
                .toArray(String[]::new));
    }

    private List<Row> completions(String name, Object... options) {
        Path out = folder.resolve(name);
        Printed printed = generate(Stream.concat(Stream.of("--out", out), Stream.of(options))
                        .toArray())
                .done();
        assertThat(printed.out()).contains("wrote ", "tokens/s");
        return SparkSession.active()
                .read()
                .schema(Completions.SCHEMA)
                .format(List.of(options).contains("parquet") ? "parquet" : "json")
                .load(Storage.asPattern(out.resolve("completions").toString()))
                .orderBy("prompt_id", "sample")
                .collectAsList();
    }

    @Test
    void textsDoNotDependOnHowPromptsAreDividedNorOnTheirNeighbours() throws IOException {
        List<Row> one = completions("one", "--prompts", prompts, "--partitions", 1, "--num-samples", 2);
        assertThat(one).hasSize(22).allMatch(row -> row.<Integer>getAs("tokens") == 40);
        assertThat(completions(
                        "three", "--prompts", prompts, "--partitions", 3, "--num-samples", 2, "--format", "parquet"))
                .isEqualTo(one);
        Path first = Files.writeString(
                folder.resolve("first.txt"), Files.readAllLines(prompts).get(0) + "\n");
        Row alone = completions("alone", "--prompts", first).get(0);
        assertThat(alone.<String>getAs("text")).isEqualTo(one.get(0).<String>getAs("text"));
        assertThat(one.stream().map(row -> row.<String>getAs("text")).distinct())
                .hasSize(22);
        String summary = Files.readString(folder.resolve("three/summary.json"));
        assertThat(new JsonMapper().readTree(summary).get("texts").asInt()).isEqualTo(22);
    }

    @Test
    void jsonLinesAndStopStrings() throws IOException {
        Path file = Files.writeString(
                folder.resolve("p.jsonl"), "{\"id\": \"b\", \"prompt\": \"ROMEO:\\n\"}\n\n{\"prompt\": \"NURSE:\"}\n");
        List<Row> rows = completions("stopped", "--prompts", file, "--stop", " ", "--stop", "\\n");
        assertThat(rows).extracting(row -> row.<String>getAs("prompt_id")).containsExactly("1", "b");
        assertThat(rows).allSatisfy(row -> {
            assertThat(row.<String>getAs("finish_reason")).isEqualTo("stop");
            assertThat(row.<String>getAs("text")).doesNotContain(" ", "\n");
        });
    }

    @Test
    void jsonLinesHaveManyNames() throws IOException {
        String first = "{\"prompt\": \"ROMEO:\", \"id\": \"r\"}";
        byte[] lines = (first + "\n\n{\"prompt\": \"NURSE:\"}\n").getBytes(StandardCharsets.UTF_8);
        Path folderOfThem = Files.createDirectories(folder.resolve("prompts"));
        Path packed = folderOfThem.resolve("[p].jsonl.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(packed))) {
            out.write(lines);
        }
        Path ndjson = Files.write(folderOfThem.resolve("p.ndjson"), lines);
        Path upper = Files.write(folderOfThem.resolve("_p.JSONL"), lines);
        for (Path file : List.of(packed, ndjson, upper)) {
            assertThat(completions("texts-" + file.getFileName(), "--prompts", file))
                    .extracting(row -> row.<String>getAs("prompt_id"))
                    .containsExactly("1", "r");
        }
        Path two = Files.writeString(folderOfThem.resolve("two.jsonl"), first + "\n" + first + " " + first + "\n");
        assertRefused(1, two, "line 2 of --prompts", "has more than one JSON value on its line");
        assertRefused(2, folderOfThem, "is a folder; name the file");
        assertRefused(2, folder.resolve("none"), "does not exist");
    }

    private void assertRefused(int code, Path prompts, String... said) {
        Printed refused = generate("--out", folder.resolve("not-made"), "--prompts", prompts);
        refused.refused(code, said);
        assertThat(folder.resolve("not-made")).doesNotExist();
    }

    @Test
    void badPromptsFailBeforeAnyIsContinuedOrAreSkipped() throws IOException {
        Path bad = Files.writeString(folder.resolve("bad.txt"), "ROMEO:\nthe \u00e9t\u00e9\n");
        Printed refused = generate("--out", folder.resolve("refused"), "--prompts", bad);
        assertThat(refused.code()).isEqualTo(1);
        assertThat(refused.err())
                .startsWith("kindling: line 2 of --prompts")
                .hasLineCount(1)
                .contains("'\u00e9'");
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left.map(Path::toString)).noneMatch(name -> name.contains("refused"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        List<Row> rows = completions("skipped", "--prompts", bad, "--on-error", "skip");
        assertThat(rows).hasSize(2);
        assertThat(rows.get(0).<String>getAs("skipped")).isNull();
        assertThat(rows.get(1).<String>getAs("skipped")).contains("vocabulary");
    }

    @Test
    void theInteractiveFormStopsToo() {
        Printed printed = generate("--prompt", "ROMEO:", "--stop", " ", "--num-samples", 2)
                .done();
        String[] texts = printed.out().split("\n---\n");
        assertThat(texts).hasSize(2).allMatch(text -> text.startsWith("ROMEO:") && !text.contains(" "));
    }
}
