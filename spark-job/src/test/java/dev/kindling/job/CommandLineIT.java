package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.job.CommandRuns.Printed;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What careful users bring, as commands: the exit code, and what is said. Each runs in a German and in an Arabic locale,
 * whose numbers are written otherwise, on executors in the Arabic one. {@link LauncherIT} has the locales of processes.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
class CommandLineIT {
    private static final List<Locale> LOCALES = List.of(Locale.GERMANY, Locale.forLanguageTag("ar-EG-u-nu-arab"));

    private static final String ARABIC_JVM =
            "-XX:+UseSerialGC -Duser.language=ar -Duser.country=EG -Duser.extensions=u-nu-arab";

    private static final String PROGRAM = "kindling: ";

    @TempDir
    private static Path folder;

    private final Locale own = Locale.getDefault();
    private CommandRuns runs;
    private int number;

    /**
     * A command and its end.
     *
     * @param arguments as on a command line; {@code CASES} is the folder of inputs, {@code RUN} a trained run, {@code NEW}
     *     a path that is not there
     * @param said what standard error says, or without an error standard output
     */
    private record Case(String arguments, int code, String... said) {
        @Override
        public String toString() {
            return arguments;
        }
    }

    private static final List<Case> CASES = List.of(
            // What is not there
            new Case("generate --checkpoint NEW --prompt x", 2, "does not exist"),
            new Case("generate --checkpoint CASES --prompt x", 2, "holds no committed checkpoint"),
            new Case("generate --checkpoint RUN --prompts NEW --out NEW", 2, "--prompts", "does not exist"),
            new Case("evaluate --checkpoint NEW --data CASES/small.txt --out NEW", 2, "does not exist"),
            new Case("evaluate --checkpoint RUN --data NEW --out NEW", 2, "--data", "does not exist"),
            new Case("prepare --corpus NEW --tokenizer char --out NEW", 2, "does not exist"),
            new Case("train --out NEW --config NEW", 2, "there is no configuration at"),
            new Case("train --out NEW --set data.corpus=NEW", 2, "does not exist"),
            new Case("train --out NEW --resume", 2, "there is no run at"),
            new Case("compare --out NEW --set data.corpus=NEW", 2, "does not exist"),
            new Case("compare --out NEW --config NEW", 2, "there is no configuration at"),
            new Case("profile --out NEW --config NEW", 2, "there is no configuration at"),
            // What is there already
            new Case("train --out CASES", 2, "exists already"),
            new Case("evaluate --checkpoint RUN --data CASES/small.txt --out CASES", 2, "exists already"),
            new Case("generate --checkpoint RUN --prompts CASES/small.txt --out CASES", 2, "exists already"),
            new Case("compare --out CASES", 2, "exists already"),
            new Case("profile --out CASES", 2, "exists already"),
            new Case("prepare --corpus CASES/small.txt --tokenizer char --out RUN/data", 2, "exists already"),
            // A folder that cannot be made
            new Case("train --out CASES/small.txt/x", 2, "small.txt/x", "choose another --out"),
            new Case("evaluate --checkpoint RUN --data CASES/small.txt --out CASES/small.txt/x", 2, "another --out"),
            new Case("generate --checkpoint RUN --prompts CASES/small.txt --out CASES/small.txt/x", 2, "another --out"),
            new Case("prepare --corpus CASES/notes/a.txt --tokenizer char --out CASES/small.txt/x", 2, "another --out"),
            new Case("compare --out CASES/small.txt/x", 2, "another --out"),
            new Case("profile --out CASES/small.txt/x", 2, "another --out"),
            // File systems without their jar
            new Case("generate --checkpoint s3a://bucket/run --prompt x", 2, "hadoop-aws"),
            new Case("generate --checkpoint RUN --prompts s3a://bucket/p --out NEW", 2, "hadoop-aws"),
            new Case("generate --checkpoint RUN --prompts CASES/small.txt --out s3a://bucket/o", 2, "hadoop-aws"),
            new Case("evaluate --checkpoint RUN --data s3a://bucket/d --out NEW", 2, "hadoop-aws"),
            new Case("prepare --corpus s3a://bucket/d --tokenizer char --out NEW", 2, "hadoop-aws"),
            new Case("prepare --corpus CASES/small.txt --tokenizer char --out nosuch://bucket/o", 2, "nosuch"),
            new Case("train --out s3a://bucket/o", 2, "hadoop-aws"),
            new Case("train --out NEW --config s3a://bucket/c.yaml", 2, "hadoop-aws"),
            new Case("train --out NEW --set data.corpus=s3a://bucket/d", 2, "hadoop-aws"),
            new Case("doctor --executors 2 --device cpu --out s3a://bucket/runs", 2, "hadoop-aws"),
            // Numbers
            new Case("generate --checkpoint RUN --prompt ROMEO: --max-tokens 2147483647 --stop e", 0, "ROMEO:"),
            new Case("generate --checkpoint RUN --prompt ROMEO: --num-samples 2147483648", 2, "--num-samples"),
            new Case("attention --device cpu --batch 1 --heads 2 --length 1 --backward", 0, "FLASH"),
            new Case("evaluate --checkpoint RUN --data CASES/small.txt --out NEW --stride 17", 2, "block_size 16 long"),
            // Texts
            new Case(
                    "train --out NEW --set data.corpus=CASES/short.txt",
                    1,
                    "the train split has 5 tokens",
                    "val_fraction"),
            new Case("train --out NEW --set data.corpus=CASES/empty.txt", 1, "empty"),
            new Case("prepare --corpus CASES/binary --tokenizer char --out NEW", 1, "b.txt", "binary"),
            new Case("evaluate --checkpoint RUN --data CASES/binary --out NEW", 1, "b.txt", "binary"),
            new Case("evaluate --checkpoint RUN --data CASES/small.txt --out NEW", 0, "1 document(s), 3,"),
            new Case("evaluate --checkpoint RUN --data CASES/names --out NEW", 0, "3 document(s), 10,"),
            new Case("evaluate --checkpoint RUN --data CASES/loop --out NEW", 1, "would be read twice"),
            new Case("prepare --corpus CASES/names --tokenizer char --out NEW", 0, "9,396 training and 1,044"),
            new Case("prepare --corpus CASES/loop --tokenizer char --out NEW", 1, "would be read twice"),
            new Case(
                    "evaluate --checkpoint RUN --data CASES/patterns/x[1].jsonl --column text --out NEW",
                    0,
                    ", 4 tokens"),
            new Case("evaluate --checkpoint RUN --data CASES/patterns/a,b.jsonl --column text --out NEW", 0, "1 doc"),
            new Case("evaluate --checkpoint RUN --data CASES/patterns/_x.jsonl --column text --out NEW", 0, "1 doc"),
            new Case("evaluate --checkpoint RUN --data CASES/latin1.jsonl --column text --out NEW", 1, "UTF-8"),
            new Case("evaluate --checkpoint RUN --data CASES/notes --out NEW", 0, "document(s)"),
            new Case(
                    "evaluate --checkpoint RUN --data CASES/two.jsonl --column text --out NEW",
                    1,
                    "more than one JSON"),
            new Case("evaluate --checkpoint RUN --data CASES/text.gz --out NEW", 0, "2 document(s)"),
            new Case("evaluate --checkpoint RUN --data CASES/words.txt --out NEW", 0, "1 document(s)"),
            new Case(
                    "generate --checkpoint RUN --prompts CASES/prompts.ndjson --max-tokens 5 --out NEW",
                    0,
                    "2 text(s)"),
            new Case(
                    "generate --checkpoint RUN --prompt Gr\u00f6\u00dfe --max-tokens 1100",
                    0,
                    CaseInputs.LETTERS.substring(0, 5)),
            new Case("train --out NEW --config CASES/latin1.yaml", 2, "UTF-8"),
            new Case("train --out NEW --config CASES/two-documents.yaml", 2, "two-documents.yaml"),
            new Case("train --out NEW --resume --set data.corpus=CASES/small.txt", 2, "there is no run at"));

    @BeforeAll
    void trainOnce() throws IOException {
        CaseInputs.write(folder.resolve("cases"));
        runs = new CommandRuns("60s", 2, Map.of("spark.executor.extraJavaOptions", ARABIC_JVM));
        Path corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        for (String text : List.of(
                "names/a.txt", "names/\u00fcbung.txt", "names/\u65e5\u672c.txt", "words.txt", "notes/meta.json")) {
            Files.writeString(
                    corpus, Files.readString(folder.resolve("cases").resolve(text)), StandardOpenOption.APPEND);
        }
        Files.writeString(corpus, CaseInputs.LETTERS, StandardOpenOption.APPEND);
        Printed printed = runs.train(folder.resolve("run"), "" + corpus, "--set", "train.max_steps=20");
        assertThat(printed.code()).as(printed.err()).isZero();
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    @AfterEach
    void restoreLocale() {
        Locale.setDefault(own);
    }

    static Stream<Arguments> cases() {
        return LOCALES.stream().flatMap(locale -> CASES.stream().map(one -> Arguments.of(locale, one)));
    }

    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("cases")
    void endsAsItShould(Locale locale, Case one) {
        Locale.setDefault(locale);
        List<String> arguments = new ArrayList<>();
        for (String argument : one.arguments().split(" ")) {
            arguments.add(argument.replace("CASES", folder.resolve("cases").toString())
                    .replace("RUN", folder.resolve("run").toString())
                    .replace("NEW", folder.resolve("new" + number++).toString()));
        }
        Printed printed = runs.run(arguments.toArray(String[]::new));
        assertThat(printed.code()).as(printed.toString()).isEqualTo(one.code());
        if (one.code() == 0) {
            assertThat(printed.out()).contains(one.said());
        } else {
            assertThat(printed.err()).startsWith(PROGRAM).hasLineCount(1).contains(one.said());
        }
        assertThat(printed.out() + printed.err()).doesNotContainPattern("[\u0660-\u0669\u066b\u066c]");
    }

    /** Small inputs of the kinds that people bring: names, encodings, links, tables and compressed files. */
    static final class CaseInputs {
        /** Letters outside ASCII, as they occur in the names, texts and prompts of these inputs. */
        static final String LETTERS = "Gr\u00f6\u00dfe \u00fcbt";

        private final Path root;

        private CaseInputs(Path root) {
            this.root = root;
        }

        /** Writes all of them below {@code root}. */
        static void write(Path root) throws IOException {
            CaseInputs inputs = new CaseInputs(root);
            inputs.texts();
            inputs.rows();
            inputs.configurations();
            inputs.damaged();
        }

        private void texts() throws IOException {
            file("small.txt", text("small"));
            file("names/a.txt", text("a"));
            file("names/\u00fcbung.txt", text("b"));
            file("names/\u65e5\u672c.txt", text("c"));
            file("loop/a.txt", text("a"));
            Files.createSymbolicLink(root.resolve("loop/self"), Path.of("."));
            file("words.txt", "word0000001\r\nword0000002\r\n".repeat(500));
            file("notes/a.txt", text("a"));
            file("notes/b.txt", text("b"));
            file("notes/meta.json", "{\"n\": 2}");
            file("text.gz/a.txt", text("a"));
            compressed("text.gz/b.txt.gz", text("b"));
            file("alphabet/one.txt", "abcdefghijklmnopqrst".repeat(100));
            file("alphabet/two.txt", "ABCDEFGHIJKLMNOPQRST".repeat(100));
        }

        private void rows() throws IOException {
            // Names that are patterns elsewhere, beside the file that the pattern would match.
            file("patterns/x[1].jsonl", row("First"));
            file("patterns/x1.jsonl", row("Something quite different is here"));
            file("patterns/a,b.jsonl", row("First Citizen:"));
            file("patterns/_x.jsonl", row("First Citizen:"));
            file("two.jsonl", row("First Citizen:").strip() + " " + row("Before we go") + row("Speak, speak."));
            file(
                    "prompts.ndjson",
                    "{\"prompt\": \"ROMEO:\", \"id\": \"r\"}\n{\"prompt\": \"JULIET:\", \"id\": \"j\"}\n");
            Files.write(
                    root.resolve("latin1.jsonl"),
                    "{\"text\": \"Gr\u00fc\u00dfe an alle\"}\n".getBytes(StandardCharsets.ISO_8859_1));
        }

        private void configurations() throws IOException {
            Files.write(
                    root.resolve("latin1.yaml"),
                    "# gr\u00f6\u00dfe\ntrain:\n  max_steps: 5\n".getBytes(StandardCharsets.ISO_8859_1));
            file("two-documents.yaml", "train:\n  seed: 5\n---\ntrain:\n  seed: 99\n");
        }

        private void damaged() throws IOException {
            file("empty.txt", "");
            file("short.txt", "To be.");
            file("binary/a.txt", text("a"));
            Files.write(root.resolve("binary/b.txt"), new byte[] {'a', 0, 'b'});
        }

        private static String row(String text) {
            return "{\"text\": \"" + text + "\"}\n";
        }

        /** A page of text that no other name gives, in ASCII. */
        private static String text(String name) {
            return ("First Citizen:\nBefore we go, hear " + name
                            + " speak.\n\nROMEO:\nSomething quite different is here.\n\n")
                    .repeat(40);
        }

        private void file(String name, String text) throws IOException {
            Path file = root.resolve(name);
            Files.createDirectories(file.getParent());
            Files.writeString(file, text);
        }

        private void compressed(String name, String text) throws IOException {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            try (OutputStream gzip = new GZIPOutputStream(bytes)) {
                gzip.write(text.getBytes(StandardCharsets.UTF_8));
            }
            Files.write(root.resolve(name), bytes.toByteArray());
        }
    }
}
