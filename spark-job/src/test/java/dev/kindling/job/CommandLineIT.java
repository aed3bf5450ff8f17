package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.input.CaseInputs;
import dev.kindling.job.CommandRuns.Printed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
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
            new Case("compare --out NEW --set data.tokenizer=bpe", 2, "compare begins with random weights"),
            new Case("train --out NEW --set data.tokenizer=bpe", 2, "that is scratch"),
            new Case("compare --out NEW --config NEW", 2, "there is no configuration at"),
            new Case("profile --out NEW --config NEW", 2, "there is no configuration at"),
            new Case("plan --config NEW", 2, "there is no configuration at"),
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
            new Case("generate --checkpoint abfss://bucket/run --prompt x", 2, "no file system for abfss:"),
            new Case("generate --checkpoint RUN --prompts abfss://bucket/p --out NEW", 2, "no file system for abfss:"),
            new Case(
                    "generate --checkpoint RUN --prompts CASES/small.txt --out abfss://bucket/o",
                    2,
                    "no file system for abfss:"),
            new Case("evaluate --checkpoint RUN --data abfss://bucket/d --out NEW", 2, "no file system for abfss:"),
            new Case("prepare --corpus abfss://bucket/d --tokenizer char --out NEW", 2, "no file system for abfss:"),
            new Case("prepare --corpus CASES/small.txt --tokenizer char --out nosuch://bucket/o", 2, "nosuch"),
            new Case("train --out abfss://bucket/o", 2, "no file system for abfss:"),
            new Case("train --out NEW --config abfss://bucket/c.yaml", 2, "no file system for abfss:"),
            new Case("train --out NEW --set data.corpus=abfss://bucket/d", 2, "no file system for abfss:"),
            new Case("doctor --executors 2 --device cpu --out abfss://bucket/runs", 2, "no file system for abfss:"),
            // Numbers
            new Case("generate --checkpoint RUN --prompt ROMEO: --max-tokens 2147483647 --stop e", 0, "ROMEO:"),
            new Case("generate --checkpoint RUN --prompt ROMEO: --num-samples 2147483648", 2, "--num-samples"),
            new Case("evaluate --checkpoint RUN --data NEW --out NEW --batch 2147483647", 2, "--batch", "up to 65536"),
            new Case(
                    "evaluate --checkpoint RUN --data NEW --out NEW --batch 0", 2, "--batch is 0; set it to 1 or more"),
            new Case("evaluate --checkpoint RUN --data NEW --out NEW --partitions 2147483647", 2, "up to 1000000"),
            new Case("evaluate --checkpoint RUN --data NEW --out NEW --executors 2147483647", 2, "up to 10000"),
            new Case("generate --checkpoint RUN --prompts NEW --out NEW --batch 2147483647", 2, "up to 65536"),
            new Case("generate --checkpoint RUN --prompts NEW --out NEW --partitions 2147483647", 2, "up to 1000000"),
            new Case("generate --checkpoint RUN --prompt x --num-samples 2147483647", 2, "up to 1000000"),
            new Case("compare --out NEW --steps 2147483647", 2, "--steps is 2147483647; set it to 1 or more, up to"),
            new Case("compare --out NEW --rounds 2147483647", 2, "up to 1000000"),
            new Case("compare --out NEW --warm-up 2147483647", 2, "up to 1000000"),
            new Case("compare --out NEW --executors 2147483647", 2, "up to 10000"),
            new Case("profile --out NEW --steps 2147483647", 2, "up to 1000000"),
            new Case("plan --device-memory 8x", 2, "--device-memory is '8x'"),
            new Case("plan --device-memory 2m", 1, "training does not fit"),
            new Case("train --out NEW --executors 2147483647", 2, "at most 10000 train together"),
            new Case("train --out NEW --set train.micro_batch=2147483647", 2, "train.micro_batch"),
            new Case("doctor --executors 2147483647 --out NEW", 2, "at most 10000 train together"),
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
        runs.train(folder.resolve("run"), "" + corpus, CommandRuns.set("train.max_steps=20"))
                .done();
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

    /** Twenty letters each, and none in common: what was trained on the one says nothing of the other. */
    @Test
    void alphabetsOfOneSizeAreNotTakenForEachOther() {
        Path one = folder.resolve("cases/alphabet/one.txt");
        Path two = folder.resolve("cases/alphabet/two.txt");
        Path run = folder.resolve("one");
        Path shards = folder.resolve("two");
        assertThat(runs.train(run, "" + one, CommandRuns.set("train.max_steps=3"))
                        .code())
                .isZero();
        assertThat(runs.run("prepare", "--corpus", "" + two, "--tokenizer", "char", "--out", "" + shards)
                        .code())
                .isZero();
        String[] init = {"--set", "train.init_from=" + run};
        Path out = folder.resolve("from-one");
        for (Path corpus : List.of(shards, two)) {
            Printed foreign = runs.train(out, "" + corpus, init);
            assertThat(foreign.code()).as(foreign.toString()).isEqualTo(2);
            assertThat(foreign.err())
                    .hasLineCount(1)
                    .contains("trained with another vocabulary", "20 characters against 20")
                    .contains("only there 'a'", "only here 'A'");
        }
        Printed scored = runs.run(
                "evaluate", "--checkpoint", "" + run, "--data", "" + two, "--out", "" + folder.resolve("scores"));
        assertThat(scored.code()).as(scored.err()).isEqualTo(1);
        assertThat(scored.err()).hasLineCount(1).contains("two.txt", "'A'", "vocabulary");
    }

    @Test
    void aRowOfMoreThanTwentyMillionCharactersIsRead() throws IOException {
        CaseInputs.writeHugeRow(folder.resolve("cases"));
        Path shards = folder.resolve("huge");
        Printed printed = runs.run(
                        "prepare",
                        "--corpus",
                        folder.resolve("cases/huge.jsonl").toString(),
                        "--column",
                        "text",
                        "--tokenizer",
                        "char",
                        "--out",
                        shards.toString())
                .done();
        assertThat(printed.out()).contains("18,900,000 training and 2,100,000 validation tokens");
    }
}
