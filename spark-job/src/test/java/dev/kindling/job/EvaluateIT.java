package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.job.CommandRuns.Printed;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.spark.ExceptionFailure;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Evaluation on two executor processes: the same totals however the work is divided, and whoever dies. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class EvaluateIT {
    private static final JsonMapper JSON = new JsonMapper();

    @TempDir
    private static Path folder;

    private CommandRuns runs;
    private Path trained;
    private Path texts;

    @BeforeAll
    void trainOnce() throws IOException {
        runs = new CommandRuns("60s");
        Path corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        trained = folder.resolve("trained");
        runs.train(trained, corpus.toString(), CommandRuns.set("train.max_steps=40"))
                .done();
        texts = writeTexts(folder.resolve("texts"), Files.readString(corpus));
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    /** Documents from two characters to several segments, of the corpus's characters. */
    private static Path writeTexts(Path texts, String corpus) throws IOException {
        Files.createDirectories(texts.resolve("more"));
        Random random = new Random(7);
        for (int i = 0; i < 40; i++) {
            int length = 2 + random.nextInt(i % 4 == 0 ? 400 : 15);
            int start = random.nextInt(corpus.length() - length);
            Path file = texts.resolve(i % 2 == 0 ? "%02d.txt".formatted(i) : "more/%02d.txt".formatted(i));
            Files.writeString(file, corpus.substring(start, start + length));
        }
        Files.writeString(texts.resolve("long.txt"), corpus.repeat(18));
        return texts;
    }

    private Printed evaluate(Path out, Object... options) {
        Stream<String> given = Stream.of(options).map(Object::toString);
        return runs.run(Stream.concat(
                        Stream.of("evaluate", "--checkpoint", "" + trained, "--device", "cpu", "--out", "" + out),
                        given)
                .toArray(String[]::new));
    }

    private JsonNode totals(Path out) throws IOException {
        return JSON.readTree(out.resolve("summary.json").toFile()).get("totals");
    }

    private static List<Row> rows(Path out) {
        return SparkSession.active()
                .read()
                .parquet(out.resolve("documents").toString())
                .orderBy("id")
                .collectAsList();
    }

    private JsonNode evaluated(String name, Object... options) throws IOException {
        Path out = folder.resolve(name);
        evaluate(out, options).done();
        return totals(out);
    }

    @Test
    void totalsAndRowsAreTheSameHoweverTheWorkIsDivided() throws Exception {
        JsonNode one = evaluated("one", "--data", texts, "--partitions", 1);
        assertThat(one.get("documents").asInt()).isEqualTo(41);
        for (int partitions : new int[] {5, 1_000_000}) { // of the last, most would have nothing
            String name = "in" + partitions;
            assertThat(evaluated(name, "--data", texts, "--partitions", partitions))
                    .isEqualTo(one);
            assertThat(rows(folder.resolve(name))).isEqualTo(rows(folder.resolve("one")));
        }
    }

    @Test
    void aKilledExecutorChangesNothing() throws Exception {
        JsonNode undisturbed = evaluated("undisturbed", "--data", texts, "--partitions", 5);
        CompletableFuture<Void> killed = new CompletableFuture<>();
        SparkListener killer = new SparkListener() {
            @Override
            public void onTaskEnd(SparkListenerTaskEnd task) {
                if (!killed.isDone()) {
                    CommandRuns.killAnExecutor();
                    killed.complete(null);
                }
            }
        };
        SparkContext spark = SparkSession.active().sparkContext();
        spark.addSparkListener(killer);
        JsonNode disturbed = evaluated("disturbed", "--data", texts, "--partitions", 5);
        spark.removeSparkListener(killer);
        assertThat(killed).isCompleted();
        assertThat(disturbed).isEqualTo(undisturbed);
        assertThat(rows(folder.resolve("disturbed"))).isEqualTo(rows(folder.resolve("undisturbed")));
    }

    @Test
    void theLossOfADocumentDoesNotDependOnItsNeighbours() throws Exception {
        evaluated("together", "--data", texts);
        List<Row> together = rows(folder.resolve("together"));
        for (String name : List.of("00.txt", "more/01.txt", "16.txt")) {
            String out = "alone-" + name.replace('/', '-');
            evaluated(out, "--data", texts.resolve(name));
            Row alone = rows(folder.resolve(out)).get(0);
            Row among = together.stream()
                    .filter(row -> row.getAs("id").equals(name))
                    .findFirst()
                    .orElseThrow();
            assertThat(alone.<Double>getAs("nats")).isEqualTo(among.<Double>getAs("nats"));
            assertThat(among.<Double>getAs("perplexity"))
                    .isCloseTo(Math.exp(among.<Double>getAs("loss")), within(1e-9));
            long length = Files.size(texts.resolve(name)) - 1; // the first character has nothing before it
            assertThat(among.<Long>getAs("tokens")).isEqualTo(length);
            assertThat(among.<Double>getAs("bits_per_byte"))
                    .isCloseTo(among.<Double>getAs("loss") / Math.log(2), within(1e-12));
        }
    }

    @Test
    void theLossOfTheValidationSplitIsThatOfTraining() throws Exception {
        String last;
        try (Stream<String> lines = Files.lines(trained.resolve("metrics.jsonl"))) {
            last = lines.reduce((first, second) -> second).orElseThrow();
        }
        double expected = JSON.readTree(last).get("val_loss").asDouble();
        JsonNode same = evaluated("val", "--split", "val", "--partitions", 2);
        assertThat(same.get("loss").asDouble()).isCloseTo(expected, within(1e-6));
        JsonNode all = evaluated("all", "--split", "val", "--stride", 5);
        assertThat(all.get("loss").asDouble()).isCloseTo(expected, within(0.3));
        JsonNode math = evaluated("math", "--split", "val", "--attention", "math");
        assertThat(math.get("loss").asDouble()).isCloseTo(expected, within(1e-6));
    }

    @Test
    void tables() throws Exception {
        evaluated("files", "--data", texts);
        StructType schema = new StructType().add("name", DataTypes.StringType).add("body", DataTypes.StringType);
        List<Row> documents = rows(folder.resolve("files")).stream()
                .map(row -> RowFactory.create(row.<String>getAs("id"), read(texts.resolve(row.<String>getAs("id")))))
                .toList();
        Dataset<Row> table =
                SparkSession.active().createDataFrame(documents, schema).repartition(3);
        for (String format : List.of("parquet", "json")) {
            Path path = folder.resolve("table-" + format);
            table.write().format(format).save(path.toString());
            Object[] options = {"--data", path, "--column", "body", "--id-column", "name", "--partitions", 4};
            JsonNode totals = evaluated(format, options);
            assertThat(totals.get("documents").asInt()).isEqualTo(documents.size());
            List<Row> rows = shortOnes(rows(folder.resolve(format)));
            assertThat(rows).hasSize(documents.size() - 1).isEqualTo(shortOnes(rows(folder.resolve("files"))));
            assertThat(evaluated(format + "2", "--data", path, "--column", "body"))
                    .isEqualTo(totals);
        }
    }

    /** Windows begin anew at every segment of a file, not of a table: long documents differ a little. */
    private static List<Row> shortOnes(List<Row> rows) {
        return rows.stream().filter(row -> !row.getAs("id").equals("long.txt")).toList();
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void assertRefused(int code, String said, Object... options) {
        Path out = folder.resolve("refused");
        Printed printed = evaluate(out, options);
        printed.refused(code, said);
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left.map(path -> path.getFileName().toString())).noneMatch(name -> name.contains("refused"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void badDocumentsFailOrAreCountedAndSkipped() throws Exception {
        Path bad = Files.createDirectories(folder.resolve("bad"));
        Files.writeString(bad.resolve("a-good.txt"), "the king and a queen");
        Files.createFile(bad.resolve("b-empty.txt"));
        Files.write(bad.resolve("c-binary.txt"), new byte[] {'t', 'h', 0, 'e'});
        Files.writeString(bad.resolve("d-foreign.txt"), "the \u00e9t\u00e9");
        Files.write(bad.resolve("e-latin.txt"), "the \u00e9t\u00e9".getBytes(StandardCharsets.ISO_8859_1));
        for (String[] document : new String[][] {
            {"b-empty.txt", "nothing to predict"},
            {"c-binary.txt", "looks binary"},
            {"d-foreign.txt", "document d-foreign.txt, from byte 0 on: character '\u00e9'"},
            {"e-latin.txt", "not UTF-8"}
        }) {
            assertRefused(1, document[1], "--data", bad.resolve(document[0]));
        }
        JsonNode totals = evaluated("skipped", "--data", bad, "--on-error", "skip");
        assertThat(totals.get("documents").asInt()).isEqualTo(1);
        assertThat(totals.get("skipped").asInt()).isEqualTo(4);
        assertThat(rows(folder.resolve("skipped")))
                .hasSize(5)
                .filteredOn(row -> row.getAs("skipped") == null)
                .singleElement()
                .satisfies(row -> assertThat(row.<String>getAs("id")).isEqualTo("a-good.txt"));
        assertRefused(1, "none of the 1 documents", "--data", bad.resolve("b-empty.txt"), "--on-error", "skip");
    }

    /** Spark would try a task four times. The document is long, so that an attempt does not end before it is called off. */
    @Test
    void theFirstBadDocumentEndsTheJob() throws Exception {
        String text = Files.readString(folder.resolve("corpus.txt"));
        Path bad = Files.writeString(folder.resolve("once.txt"), text.repeat(100) + "\0");
        AtomicInteger attempts = new AtomicInteger();
        SparkListener count = new SparkListener() {
            @Override
            public void onTaskEnd(SparkListenerTaskEnd task) {
                if (task.reason() instanceof ExceptionFailure) {
                    attempts.incrementAndGet();
                }
            }
        };
        SparkContext spark = SparkSession.active().sparkContext();
        spark.addSparkListener(count);
        assertRefused(1, "looks binary", "--data", bad, "--partitions", 1);
        spark.listenerBus().waitUntilEmpty();
        spark.removeSparkListener(count);
        assertThat(attempts).hasValue(1);
    }

    @Test
    void badTables() throws Exception {
        Path json = Files.writeString(
                folder.resolve("rows.jsonl"), "{\"body\": \"the king\"}\n{\"body\": null}\n{\"body\": 7}\n{}\nking\n");
        JsonNode totals = evaluated("rows", "--data", json, "--column", "body", "--on-error", "skip");
        assertThat(totals.get("documents").asInt()).isEqualTo(1);
        assertThat(totals.get("skipped").asInt()).isEqualTo(4);
        assertRefused(1, "is null", "--data", json, "--column", "body", "--partitions", 1);
        assertRefused(2, "name its column of text with --column", "--data", json);
        Path parquet = folder.resolve("numbers.parquet");
        SparkSession.active().range(3).write().parquet(parquet.toString());
        assertRefused(2, "has no column 'body', only id", "--data", parquet, "--column", "body");
        assertRefused(2, "is int64, not text", "--data", parquet, "--column", "id");
        assertRefused(2, "is text, without columns", "--data", texts, "--column", "body");
    }

    @Test
    void badOptions() {
        assertRefused(2, "does not exist", "--data", folder.resolve("nowhere"));
        assertRefused(2, "give either --data PATH or --split val");
        assertRefused(2, "windows are block_size 16 long", "--split", "val", "--stride", 17);
        assertRefused(1, "EFFICIENT runs on CUDA only", "--data", texts, "--attention", "efficient");
    }
}
