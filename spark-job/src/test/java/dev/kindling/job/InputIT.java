package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.data.corpus.Document;
import dev.kindling.data.corpus.ShakespeareCorpus;
import dev.kindling.data.shard.LocalShardFolder;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.shard.TokenSequence;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.job.CommandRuns.Printed;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What users bring: train, prepare and evaluate take the same inputs, in every form, and refuse the same. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class InputIT {
    private static final JsonMapper JSON = new JsonMapper();

    @TempDir
    private static Path folder;

    private CommandRuns runs;
    private Path trained;
    private List<String> texts;

    @BeforeAll
    void trainOnce() throws IOException {
        runs = new CommandRuns("60s");
        Path corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        texts = Arrays.stream(Files.readString(corpus).split("(?<=\n\n)"))
                .toList()
                .subList(0, 150);
        trained = folder.resolve("trained");
        runs.train(trained, corpus.toString(), CommandRuns.set("train.max_steps=10"))
                .done();
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    private Printed prepare(Object corpus, Path out, Object... more) {
        return runs.run(Stream.concat(
                        Stream.of("prepare", "--corpus", corpus, "--tokenizer", "char", "--out", out), Stream.of(more))
                .map(Object::toString)
                .toArray(String[]::new));
    }

    private Printed evaluate(Object data, Path out, Object... more) {
        return runs.run(Stream.concat(
                        Stream.of("evaluate", "--checkpoint", trained, "--device", "cpu", "--data", data, "--out", out),
                        Stream.of(more))
                .map(Object::toString)
                .toArray(String[]::new));
    }

    private Path text(String name, String text) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.writeString(file, text);
    }

    private static String row(String key, String text) {
        return JSON.createObjectNode().put(key, text).toString() + "\n";
    }

    private static List<Integer> tokens(Path shards, String split) {
        TokenSequence tokens = ShardSet.open(new LocalShardFolder(shards)).tokens(split);
        int[] all = new int[(int) tokens.length()];
        tokens.copy(0, all.length, all, 0);
        return Arrays.stream(all).boxed().toList();
    }

    /** The same documents as text files, compressed, as JSON lines and as Parquet with columns of every kind. */
    private List<List<Object>> forms() throws IOException {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < texts.size(); i++) {
            text("forms/text/%03d.txt".formatted(i), texts.get(i));
            Path packed = text("forms/packed/%03d.txt.gz".formatted(i), "");
            try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(packed))) {
                out.write(texts.get(i).getBytes(StandardCharsets.UTF_8));
            }
            lines.append(row("text", texts.get(i)));
        }
        Path json = text("forms/rows[1].jsonl", lines.toString());
        text("forms/rows1.jsonl", row("text", "another"));
        Path parquet = folder.resolve("forms/hub");
        SparkSession.active()
                .read()
                .json(Storage.asPattern(json.toString()))
                .coalesce(1)
                .selectExpr(
                        "true as bool",
                        "cast(1.5 as float) as f32",
                        "cast(7 as byte) as i8",
                        "cast(7 as short) as i16",
                        "cast('x' as binary) as bin",
                        "current_timestamp() as ts",
                        "current_date() as day",
                        "map('k', 1) as map",
                        "array('a') as list",
                        "named_struct('a', 1) as nested",
                        "text")
                .write()
                .parquet(parquet.resolve("data").toString());
        text("forms/hub/README.md", "# A data set");
        return List.of(
                List.of(folder.resolve("forms/text")),
                List.of(folder.resolve("forms/packed")),
                List.of(json, "--column", "text"),
                List.of(parquet, "--column", "text"));
    }

    @Test
    void everyFormGivesTheSameTokensAndTheSameScores() throws IOException {
        List<List<Integer>> prepared = new ArrayList<>();
        Set<JsonNode> scored = new HashSet<>();
        List<List<Object>> forms = forms();
        for (int i = 0; i < forms.size(); i++) {
            Object path = forms.get(i).get(0);
            Object[] more = forms.get(i).subList(1, forms.get(i).size()).toArray();
            Path shards = folder.resolve("shards" + i);
            prepare(path, shards, more).done();
            prepared.add(tokens(shards, "train"));
            Path out = folder.resolve("scores[" + i + "]");
            evaluate(path, out, more).done();
            scored.add(JSON.readTree(out.resolve("summary.json").toFile()).get("totals"));
        }
        String all = String.join("", texts);
        Tokenizer tokenizer =
                ShardSet.open(new LocalShardFolder(folder.resolve("shards0"))).tokenizer();
        assertThat(prepared.get(0).stream().mapToInt(i -> i).toArray())
                .isEqualTo(tokenizer.encode(all.substring(0, (int) (all.length() * 0.9))));
        assertThat(prepared).allMatch(tokens -> tokens.equals(prepared.get(0)));
        assertThat(scored)
                .singleElement()
                .satisfies(totals -> assertThat(totals.get("documents").asInt()).isEqualTo(texts.size()));

        Path run = folder.resolve("from-table");
        runs.train(run, forms.get(3).get(0).toString(), CommandRuns.set("data.column=text", "train.max_steps=2"))
                .done();
        assertThat(tokens(run.resolve("data"), "train")).isEqualTo(prepared.get(0));
        assertThat(run.resolve("config.yaml")).content().contains("column: text");
    }

    @Test
    void shakespeareIsSplitAsNanoGptDoes() {
        Path shards = folder.resolve("shakespeare");
        prepare("shakespeare", shards).done();
        ShardSet set = ShardSet.open(new LocalShardFolder(shards));
        String all = new ShakespeareCorpus().documents().map(Document::text).collect(Collectors.joining());
        int cut = (int) (all.length() * 0.9);
        assertThat(set.tokenizer().decode(array(tokens(shards, "train")))).isEqualTo(all.substring(0, cut));
        assertThat(set.tokenizer().decode(array(tokens(shards, "val")))).isEqualTo(all.substring(cut));
        long documents = set.documents("train").count() + set.documents("val").count();
        assertThat(documents).as("one scene lies across the cut").isEqualTo(74 + 1);
        assertThat(set.corpus()).isEqualTo("shakespeare");
    }

    @Test
    void prepareTakesAnotherShareForValidation() throws IOException {
        Path shards = folder.resolve("quarter");
        prepare(text("quarter.txt", "ab".repeat(50)), shards, "--val-fraction", "0.25")
                .done();
        assertThat(tokens(shards, "train")).hasSize(75);
        assertThat(tokens(shards, "val")).hasSize(25);
    }

    private static int[] array(List<Integer> tokens) {
        return tokens.stream().mapToInt(i -> i).toArray();
    }

    @Test
    void whatOneRefusesAllRefuse() throws IOException {
        Path out = folder.resolve("refused");
        text("loop/a.txt", "the king");
        Files.createSymbolicLink(folder.resolve("loop/self"), Path.of("."));
        text("zipped/a.txt.xz", "the king");
        text("latin/a.txt", "the king");
        Files.write(folder.resolve("latin/b.txt"), "Gr\u00fc\u00dfe".getBytes(StandardCharsets.ISO_8859_1));
        text("rows/a.jsonl", row("text", "the king").strip() + " " + row("text", "a queen"));
        record Case(String path, String column, int code, String said) {}
        for (Case each : List.of(
                new Case("loop", null, 1, "read twice; remove the link"),
                new Case("zipped", null, 1, ".xz files are not read"),
                new Case("latin", null, 1, "not UTF-8: invalid byte 0xFC at offset 2"),
                new Case("nowhere", null, 2, "does not exist"),
                new Case("nowhere[1]:x", null, 2, "does not exist"),
                new Case("rows", "text", 1, "rows/a.jsonl#0 has more than one JSON value on its line"),
                new Case("rows", null, 2, "name its column of text with"),
                new Case("latin", "text", 2, "is text, without columns"))) {
            String path = folder.resolve(each.path()).toString();
            Object[] column = each.column() == null ? new Object[0] : new Object[] {"--column", each.column()};
            String[] set = each.column() == null ? new String[0] : CommandRuns.set("data.column=" + each.column());
            prepare(path, out, column).refused(each.code(), each.said());
            evaluate(path, out, column).refused(each.code(), each.said());
            runs.train(out, path, set).refused(each.code(), each.said());
            assertThat(out).doesNotExist();
        }
    }

    @Test
    void aRunDoesNotGoIntoItsCorpus() throws IOException {
        text("inside/a.txt", texts.get(0));
        Path corpus = folder.resolve("inside");
        runs.train(corpus.resolve("runs/x"), corpus.toString()).refused(2, "choose another --out");
        prepare(corpus, corpus.resolve("shards")).refused(2, "choose another --out");
        evaluate(corpus, corpus.resolve("scores")).refused(2, "choose another --out");
        try (Stream<Path> left = Files.list(corpus)) {
            assertThat(left).hasSize(1);
        }
    }

    @Test
    void aColumnOfWhatIsNoTableIsNotIgnored() {
        Path out = folder.resolve("refused");
        prepare("shakespeare", out, "--column", "text").refused(2, "is no table", "drop --column");
        String shards = trained.resolve("data").toString();
        runs.train(out, shards, CommandRuns.set("data.column=text")).refused(2, "is no table", "drop data.column");
        assertThat(out).doesNotExist();
    }

    @Test
    void badRowsAreCountedWhereTheyArePassedOver() throws IOException {
        Path rows = folder.resolve("bad.jsonl");
        Files.write(rows, row("text", "the king").getBytes(StandardCharsets.UTF_8));
        Files.write(
                rows,
                "{\"text\": \"\u00fc\"}\n{\"text\": \"\\ud800\"}\n".getBytes(StandardCharsets.ISO_8859_1),
                java.nio.file.StandardOpenOption.APPEND);
        Path out = folder.resolve("bad-scores");
        evaluate(rows, out, "--column", "text", "--on-error", "skip").done();
        JsonNode totals = JSON.readTree(out.resolve("summary.json").toFile()).get("totals");
        assertThat(totals.get("documents").asInt()).isEqualTo(1);
        assertThat(totals.get("skipped").asInt()).isEqualTo(2);
    }

    @Test
    void aTableOfSparkSqlTrainsAsItsFilesDo() throws IOException {
        Path rows = text(
                "documents.jsonl", texts.stream().map(text -> row("text", text)).collect(Collectors.joining()));
        Path ofFiles = folder.resolve("of-files");
        runs.train(ofFiles, "" + rows, CommandRuns.set("data.column=text", "train.max_steps=3"))
                .done();
        Path ofTable = folder.resolve("of-table");
        trainTable(ofTable, "json.`" + rows + "`", "text").done();
        assertThat(tokens(ofTable.resolve("data"), "train")).isEqualTo(tokens(ofFiles.resolve("data"), "train"));
        assertThat(CommandRuns.weights(ofTable, 3)).isEqualTo(CommandRuns.weights(ofFiles, 3));

        Path out = folder.resolve("of-no-table");
        trainTable(out, "nowhere", "text").refused(2, "data.table nowhere cannot be read", "cannot be found");
        trainTable(out, "json.`" + rows + "`", "tex").refused(2, "has no such column; did you mean text?");
        runs.train(out, "" + rows, CommandRuns.set("data.table=x")).refused(2, "both name the text");
        assertThat(out).doesNotExist();
    }

    private Printed trainTable(Path out, String table, String column) {
        return runs.train(
                out,
                "shakespeare",
                CommandRuns.set("data.table=" + table, "data.column=" + column, "train.max_steps=3"));
    }
}
