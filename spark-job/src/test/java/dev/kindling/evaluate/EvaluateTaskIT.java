package dev.kindling.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.job.CommandRuns;
import dev.kindling.job.CommandRuns.Printed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code evaluate --task} on two executor processes, against {@link Float64Gpt}. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class EvaluateTaskIT {
    private static final JsonMapper JSON = new JsonMapper();
    private static final int BLOCK = 32;
    private static final String[] WORDS =
            "the king and a queen did walk upon the night with sorrow in her heart".split(" ");

    @TempDir
    private static Path folder;

    private final Random random = new Random(5);
    private CommandRuns runs;
    private Path checkpoint;
    private Float64Gpt reference;

    @BeforeAll
    void trainOnce() throws IOException {
        runs = new CommandRuns("30s");
        String corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt")).toString();
        Path run = folder.resolve("run");
        runs.train(run, corpus, CommandRuns.set("model.activation=gelu_tanh", "model.block_size=" + BLOCK))
                .done();
        checkpoint = run.resolve("checkpoints/step-0000120");
        reference = new Float64Gpt(checkpoint);
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    private String words(int count) {
        return Stream.generate(() -> WORDS[random.nextInt(WORDS.length)])
                .limit(count)
                .collect(Collectors.joining(" "));
    }

    private JsonNode evaluated(String name, Path task, Object... more) throws IOException {
        Path out = folder.resolve(name);
        Stream<Object> given = Stream.concat(Stream.of("--task", task, "--out", out), Stream.of(more));
        evaluate(given).done();
        return JSON.readTree(out.resolve("summary.json").toFile());
    }

    private Printed evaluate(Stream<Object> more) {
        return runs.run(Stream.concat(Stream.of("evaluate", "--checkpoint", checkpoint, "--device", "cpu"), more)
                .map(Object::toString)
                .toArray(String[]::new));
    }

    private static Map<String, Row> rows(Path out) {
        return SparkSession.active()
                .read()
                .schema(ItemScores.SCHEMA)
                .parquet(out.resolve("items").toString())
                .collectAsList()
                .stream()
                .collect(Collectors.toMap(row -> row.getAs("id"), row -> row));
    }

    private static Path write(String name, List<ObjectNode> lines) throws IOException {
        return Files.write(
                folder.resolve(name), lines.stream().map(ObjectNode::toString).toList());
    }

    private static int argmax(double[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            best = values[i] > values[best] ? i : best;
        }
        return best;
    }

    /** Checks a table against items of context, endings and label; returns how many are right by each measure. */
    private int[] check(Map<String, Row> rows, List<ObjectNode> items) {
        int acc = 0;
        int norm = 0;
        for (ObjectNode item : items) {
            String context = item.get("context").asText();
            double[] sums = new double[item.get("endings").size()];
            double[] normed = new double[sums.length];
            for (int i = 0; i < sums.length; i++) {
                String ending = item.get("endings").get(i).asText();
                sums[i] = reference.score(context.stripTrailing(), " " + ending).logLikelihood();
                normed[i] = sums[i] / ending.length();
            }
            Row row = rows.get(item.get("id").asText());
            List<Double> found = row.getList(row.fieldIndex("log_likelihoods"));
            assertThat(found).hasSize(sums.length);
            for (int i = 0; i < sums.length; i++) {
                assertThat(found.get(i)).isCloseTo(sums[i], within(1e-4));
            }
            int label = item.get("label").asInt();
            assertThat(row.<Integer>getAs("acc")).isEqualTo(argmax(sums) == label ? 1 : 0);
            assertThat(row.<Integer>getAs("acc_norm")).isEqualTo(argmax(normed) == label ? 1 : 0);
            acc += argmax(sums) == label ? 1 : 0;
            norm += argmax(normed) == label ? 1 : 0;
        }
        return new int[] {acc, norm};
    }

    private List<ObjectNode> choices(int count) {
        List<ObjectNode> items = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            ObjectNode item = JSON.createObjectNode().put("id", "item" + i);
            // every fifth is longer than a window; a third ends in a space, of which the ending takes over
            item.put("context", words(i % 5 == 0 ? 12 : 2) + (i % 3 == 0 ? " " : ""));
            for (int ending = 0; ending < 2 + i % 3; ending++) {
                item.withArray("endings").add(words(1 + random.nextInt(3)));
            }
            items.add(item.put("label", random.nextInt(item.get("endings").size())));
        }
        return items;
    }

    @Test
    void choicesAreScoredAsAFloat64ModelScoresThem() throws IOException {
        List<ObjectNode> items = choices(30);
        Path file = write("choices.jsonl", items);
        JsonNode summary = evaluated("choices", file, "--partitions", 1);
        Map<String, Row> rows = rows(folder.resolve("choices"));
        int[] right = check(rows, items);
        JsonNode totals = summary.get("totals");
        assertThat(summary.get("layout").asText()).isEqualTo("multiple_choice");
        assertThat(totals.get("items").asInt()).isEqualTo(30);
        assertThat(totals.get("skipped").asInt()).isZero();
        assertThat(totals.get("acc").asDouble()).isCloseTo(right[0] / 30.0, within(1e-12));
        assertThat(totals.get("acc_norm").asDouble()).isCloseTo(right[1] / 30.0, within(1e-12));
        assertThat(totals.get("acc_bytes")).isEqualTo(totals.get("acc_norm")); // of ASCII
        double share = right[0] / 30.0;
        assertThat(totals.get("acc_stderr").asDouble()).isCloseTo(Math.sqrt(share * (1 - share) / 29), within(1e-12));
        assertThat(totals.get("truncated").asLong())
                .isPositive()
                .isEqualTo(items.stream().filter(EvaluateTaskIT::isLong).count());
    }

    private static boolean isLong(ObjectNode item) {
        int context = item.get("context").asText().stripTrailing().length();
        return item.get("endings")
                .valueStream()
                .anyMatch(ending -> context + ending.asText().length() > BLOCK);
    }

    @Test
    void theSameHoweverTheWorkIsDivided() throws IOException {
        Path file = write("divided.jsonl", choices(2000)); // three segments
        JsonNode one = evaluated("in1", file, "--partitions", 1).get("totals");
        assertThat(one.get("items").asInt()).isEqualTo(2000);
        assertThat(evaluated("in3", file, "--partitions", 3).get("totals")).isEqualTo(one);
        assertThat(rows(folder.resolve("in3"))).isEqualTo(rows(folder.resolve("in1")));
    }

    @Test
    void hellaSwag() throws IOException {
        List<ObjectNode> items = new ArrayList<>();
        List<ObjectNode> lines = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            String begin = words(2);
            String middle = words(1);
            ObjectNode line = JSON.createObjectNode().put("ind", i).put("activity_label", "NURSE");
            line.put("ctx_a", begin + " [header].").put("ctx_b", "the " + middle.toUpperCase(Locale.ROOT));
            ObjectNode item = JSON.createObjectNode().put("id", "" + i);
            item.put("context", "NURSE: " + begin + " . The " + middle);
            for (int ending = 0; ending < 4; ending++) {
                String text = words(2);
                line.withArray("endings").add(" " + text + " [step]");
                item.withArray("endings").add(text + " ");
            }
            lines.add(line.put("label", "" + i % 4));
            items.add(item.put("label", i % 4));
        }
        JsonNode summary = evaluated("hellaswag", write("hellaswag.jsonl", lines));
        assertThat(summary.get("layout").asText()).isEqualTo("hellaswag");
        int[] right = check(rows(folder.resolve("hellaswag")), items);
        assertThat(summary.get("totals").get("acc").asDouble()).isEqualTo(right[0] / 8.0);
    }

    @Test
    void lambada() throws IOException {
        List<ObjectNode> lines = new ArrayList<>();
        List<Float64Gpt.Score> expected = new ArrayList<>();
        for (int i = 0; i < 24; i++) {
            String context = words(4);
            String word = i % 2 == 0 ? words(1) : likeliestWord(context);
            lines.add(JSON.createObjectNode().put("id", "" + i).put("text", context + " " + word));
            expected.add(reference.score(context, " " + word));
        }
        JsonNode summary = evaluated("lambada", write("lambada.jsonl", lines));
        Map<String, Row> rows = rows(folder.resolve("lambada"));
        for (int i = 0; i < 24; i++) {
            Row row = rows.get("" + i);
            List<Double> found = row.getList(row.fieldIndex("log_likelihoods"));
            assertThat(found).hasSize(1);
            assertThat(found.get(0)).isCloseTo(expected.get(i).logLikelihood(), within(1e-4));
            assertThat(row.<Integer>getAs("acc")).isEqualTo(expected.get(i).greedy() ? 1 : 0);
            assertThat(row.<Integer>getAs("acc_norm")).isNull();
        }
        long greedy = expected.stream().filter(Float64Gpt.Score::greedy).count();
        JsonNode totals = summary.get("totals");
        assertThat(totals.get("acc").asDouble()).isCloseTo(greedy / 24.0, within(1e-12));
        double mean = expected.stream()
                .mapToDouble(Float64Gpt.Score::logLikelihood)
                .average()
                .orElseThrow();
        assertThat(totals.get("perplexity").asDouble()).isCloseTo(Math.exp(-mean), within(1e-3 * Math.exp(-mean)));
    }

    /** What the reference writes after a context and a space, if it writes one. */
    private String likeliestWord(String context) {
        String text = context + " ";
        for (int i = 0; i < 3; i++) {
            char next = reference.next(text);
            if (next == ' ') {
                break;
            }
            text += next;
        }
        return text.endsWith(" ") ? "the" : text.substring(context.length() + 1);
    }

    @Test
    void badItemsFailOrAreCountedAndSkipped() throws IOException {
        Path file = Files.writeString(folder.resolve("bad.jsonl"), """
                {"context": "the king", "endings": ["and", "a"], "label": 0}

                {"context": "the king", "endings": ["and", "a"], "label": 3, "id": "third"}
                not JSON
                {"text": "the king and"}
                {"context": "the king", "endings": ["and", "the \u00e9t\u00e9"], "label": 0}
                {"context": "the king", "endings": ["and", "the the the the the the the the the"], "label": 0}
                {"context": "the king", "endings": ["and", "a"], "label": 1}
                """);
        JsonNode summary = evaluated("skipping", file, "--on-error", "skip");
        assertThat(summary.get("totals").get("items").asInt()).isEqualTo(2);
        assertThat(summary.get("totals").get("skipped").asInt()).isEqualTo(5);
        assertThat(summary.get("skipped_examples").toString())
                .contains("item third has 3 in 'label'", "is not JSON", "block_size 32", "'\u00e9'");
        assertRefused(1, "item third has 3 in 'label'", "--task", file);
        Path none = Files.writeString(folder.resolve("none.jsonl"), "{\"question\": 1}\n");
        assertRefused(1, "no line of --task " + none + " is an item", "--task", none);
        Path empty = Files.createFile(folder.resolve("empty.jsonl"));
        assertRefused(1, "is empty; give JSON lines", "--task", empty, "--on-error", "skip");
    }

    @Test
    void badOptions() throws IOException {
        Path tasks = Files.createDirectory(folder.resolve("tasks"));
        Files.writeString(tasks.resolve("a.jsonl"), "{\"text\": \"the king\"}");
        Path corpus = folder.resolve("corpus.txt");
        assertRefused(
                2, "--task " + folder.resolve("nowhere") + " does not exist", "--task", folder.resolve("nowhere"));
        assertRefused(2, "is a folder; name the file", "--task", tasks);
        assertRefused(2, "give either --data PATH or --split val or --task FILE", "--task", corpus, "--data", corpus);
        assertRefused(2, "--stride is for documents", "--task", corpus, "--stride", 4);
        assertRefused(2, "--task has none; drop them", "--task", corpus, "--column", "text");
    }

    private void assertRefused(int code, String said, Object... options) {
        Path out = folder.resolve("refused");
        Printed printed = evaluate(Stream.concat(Stream.of("--out", out), Stream.of(options)));
        printed.refused(code, said);
        assertThat(out).doesNotExist();
    }
}
