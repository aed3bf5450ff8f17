package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.checkpoint.WhichCheckpoint;
import dev.kindling.config.ClusterSection.AllReduceChoice;
import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.ConfigException;
import dev.kindling.config.ConfigKey;
import dev.kindling.config.ConfigOverrides;
import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.DeviceSettings;
import dev.kindling.job.options.GenerateOptions;
import dev.kindling.job.options.PrepareOptions;
import dev.kindling.job.options.TrainOptions;
import dev.kindling.run.Resume;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

class KindlingTest {
    private final List<Object> ran = new ArrayList<>();
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private int run(Job<TrainOptions> train, String... args) {
        Clock clock = Clock.fixed(Instant.parse("2026-11-24T18:30:05Z"), ZoneOffset.UTC);
        Kindling.Jobs jobs = new Kindling.Jobs(
                train, ran::add, ran::add, ran::add, ran::add, ran::add, ran::add, ran::add, ran::add, ran::add,
                ran::add);
        return new Kindling(jobs, clock, new PrintWriter(out, true), new PrintWriter(err, true)).run(args);
    }

    /** Neither exported nor tracked. */
    private static TrainOptions train(
            Optional<String> config, String out, Resume resume, ConfigOverrides overrides, boolean verbose) {
        return new TrainOptions(config, out, resume, overrides, Optional.empty(), Optional.empty(), verbose);
    }

    @Test
    void trainWithoutOptionsHasADirectoryOfItsOwn() {
        assertThat(run(ran::add, "train")).isZero();
        assertThat(ran)
                .containsExactly(
                        train(Optional.empty(), "runs/20261124-183005", Resume.NO, ConfigOverrides.NONE, false));
        assertThat(err.toString()).isEmpty();
    }

    @Test
    void trainTakesAllItsOptionsAndShortFormsWin() {
        String args = "train --config c.yaml --out o --resume --executors 3 --device cpu --attention flash"
                + " --allreduce ring --set train.lr=1e-4 --set model.n_head=2 -v";
        assertThat(run(ran::add, args.split(" "))).isZero();
        assertThat(ran)
                .containsExactly(train(
                        Optional.of("c.yaml"),
                        "o",
                        Resume.YES,
                        new ConfigOverrides(
                                List.of("train.lr=1e-4", "model.n_head=2"),
                                new ConfigOverrides.ShortForms(
                                        Optional.of(3),
                                        Optional.of(DeviceChoice.CPU),
                                        Optional.of(AttentionChoice.FLASH),
                                        Optional.of(AllReduceChoice.RING))),
                        true));
    }

    @Test
    void prepareAndGenerateTakeTheirOptions() {
        String prepare = "prepare|--corpus|a b.txt|--column|c|--tokenizer|gpt2|--val-fraction|0.25|--out|d";
        assertThat(run(ran::add, prepare.split("\\|"))).isZero();
        String generate = "generate --checkpoint r --prompt ROMEO: --seed 1 --device cpu --stop \\n\\n --stop X";
        assertThat(run(ran::add, generate.split(" "))).isZero();
        assertThat(ran)
                .containsExactly(
                        new PrepareOptions(
                                "a b.txt",
                                Optional.of("c"),
                                TokenizerKind.GPT2,
                                0.25,
                                PrepareOptions.Format.SHARDS,
                                "d"),
                        new GenerateOptions(
                                "r",
                                WhichCheckpoint.BEST,
                                Optional.of("ROMEO:"),
                                Optional.empty(),
                                new GenerateOptions.Style(500, 0.8, 200, 1.0, List.of("\n\n", "X"), 1, 1),
                                new DeviceSettings(DeviceChoice.CPU, AttentionChoice.AUTO, PrecisionChoice.AUTO)));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            trian                       | unknown command 'trian'; did you mean 'train'?
            train --resme               | unknown option '--resme'; did you mean '--resume'?
            train --configg=x           | unknown option '--configg=x'; did you mean '--config'?
            train extra                 | unexpected argument 'extra'
            train --config              | --config
            train --attention flesh     | --attention is 'flesh', but it must be one of auto, math, flash, efficient; did you mean 'flash'?
            train --allreduce rings     | --allreduce is 'rings'
            train --executors two       | --executors
            doctor --device gpu         | --device is 'gpu'
            profile --out o --attention x | --attention is 'x'
            plan --attention x | --attention is 'x'
            generate --checkpoint r --prompt p --which newest | --which is 'newest', but it must be one of best, latest
            train --resume              | --resume needs to know which run
            train --out o --resume=maybe | --resume is 'maybe', but it takes no value, or auto
            prepare --corpus x --out y  | --tokenizer
            prepare --corpus x --out y --tokenizer gpt2 --val-fraction 1 | --val-fraction is 1.0, but both parts need text
            prepare --corpus x --out y --tokenizer gpt | --tokenizer is 'gpt', but it must be one of char, gpt2, bpe; did you mean 'gpt2'?
            generate --checkpoint r     | --prompt
            generate --checkpoint r --prompts p | --prompts FILE and --out DIR go together
            generate --checkpoint r --prompt p --device gpu | --device is 'gpu', but it must be one of auto, cpu, cuda; did you mean 'cpu'?
            evaluate --checkpoint r --out o | give either --data PATH or --split val
            evaluate --checkpoint r --out o --split test | --split is 'test'
            evaluate --checkpoint r --out o --data d --stride 0 | --stride is 0
            evaluate --checkpoint r --out o --data d --on-error warn | --on-error is 'warn'
            generate --checkpoint r --prompt p --partitions 3 | --partitions goes with --prompts FILE
            generate --checkpoint r --prompts p --out o --on-error warn | --on-error is 'warn', but it must be one of fail, skip
            generate --checkpoint r --prompt p --seed x | 'x' is not a whole number below 2^63
            generate --checkpoint r --prompt p --num-samples 1e3 | '1e3' is not a whole number below 2^31
            generate --checkpoint r --prompt p --top-p x | 'x' is not a number
            generate --checkpoint r --prompt p --top-p 0 | --top-p is 0.0
            generate --checkpoint r --prompt p --top-p NaN | --top-p is NaN
            generate --checkpoint r --prompt p --top-k -1 | --top-k is -1
            generate --checkpoint r --prompt p --temperature -1 | --temperature is -1.0
            generate --checkpoint r --prompt p --max-tokens 0 | --max-tokens is 0
            attention --dtype int8 | --dtype is 'int8', but it must be fp32, bf16 or fp16
            attention --length 7 --lengths 8 | exclude each other
            attention --lengths 8,0 | --lengths is 0
            attention --packed 0 | --packed is 0
            attention --packed 2000 | --packed 2000 is longer than sequences of at most 1024 tokens
            attention --packed 2 --module | --module and --packed exclude each other
            attention --batch 2000000 --length 4096 | more than 2^31 elements
            attention --dropout 1 | --dropout is 1.0
            attention --device gpu | --device is 'gpu'
            profile | --out
            profile --out o --steps 0 | --steps is 0
            generate --checkpoint r --prompt p --num-samples 0 | --num-samples is 0
            train --out=                | --out is empty; give it a value
            train --config=             | --config is empty
            train --set=                | --set is empty
            prepare --corpus= --tokenizer char --out y | --corpus is empty
            evaluate --checkpoint= --data d --out o | --checkpoint is empty
            evaluate --checkpoint r --data= --out o | --data is empty
            evaluate --checkpoint r --data d --column= --out o | --column is empty
            generate --checkpoint r --prompt= | --prompt is empty
            generate --checkpoint r --prompts= --out o | --prompts is empty
            generate --checkpoint r --prompt p --stop= | --stop is empty
            compare --out=              | --out is empty
            profile --out=              | --out is empty
            doctor --out=               | --out is empty
            """)
    void wrongUsageIsOneLineAndExitCode2(String args, String message) {
        assertThat(run(ran::add, args.split(" +"))).isEqualTo(2);
        assertThat(err.toString()).startsWith("kindling: ").contains(message).hasLineCount(1);
        assertThat(ran).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"@README.md", "@@x", "--conf", "-x", "Gr\u00f6\u00dfe"})
    void aPromptIsTakenAsItIs(String prompt) {
        assertThat(run(ran::add, "generate", "--checkpoint", "r", "--prompt", prompt))
                .isZero();
        assertThat(((GenerateOptions) ran.get(0)).prompt()).contains(prompt);
    }

    /** submit.sh takes what follows an option for its value, but for those that can do without one. */
    @Test
    void submitKnowsTheOptionsWithoutAValue() throws IOException {
        Kindling kindling =
                new Kindling(Kindling.jobs(), Clock.systemUTC(), new PrintWriter(out), new PrintWriter(err));
        Set<String> listed = Pattern.compile("^ +(-[^)]*)\\)( #.*)?$", Pattern.MULTILINE)
                .matcher(Files.readString(Path.of("..", "submit.sh")))
                .results()
                .flatMap(patterns -> Stream.of(patterns.group(1).split(" \\| ")))
                .collect(Collectors.toSet());
        for (CommandLine command : kindling.commands().values()) {
            for (OptionSpec option : command.getCommandSpec().options()) {
                for (String name : option.names()) {
                    assertThat(listed.contains(name))
                            .as("is %s of %s in submit.sh's lists", name, command.getCommandName())
                            .isEqualTo(option.arity().min() == 0);
                }
            }
        }
    }

    @Test
    void noCommandNamesTheCommands() {
        assertThat(run(ran::add)).isEqualTo(2);
        assertThat(err.toString())
                .contains(
                        "a command is missing",
                        "train, prepare, evaluate, compare, generate, attention, profile, plan, doctor")
                .hasLineCount(1);
    }

    @Test
    void helpShowsOnlyWhatWorks() {
        assertThat(run(ran::add, "--help")).isZero();
        assertThat(out.toString()).contains("train", "prepare", "evaluate", "generate", "import", "export");
        assertThat(run(ran::add, "train", "--help")).isZero();
        assertThat(out.toString()).contains("--allreduce", "--resume", "--keys");
    }

    @Test
    void trainListsItsKeysAndRunsNothing() {
        assertThat(run(ran::add, "train", "--keys")).isZero();
        assertThat(out.toString()).isEqualTo(ConfigKey.table());
        assertThat(ran).isEmpty();
    }

    @Test
    void aFailureIsItsMessageAndExitCode1() {
        int code = run(
                options -> {
                    throw new IOException("disk full: no room in runs/x; free space there\nat line 2");
                },
                "train");
        assertThat(code).isEqualTo(1);
        assertThat(err.toString().strip()).isEqualTo("kindling: disk full: no room in runs/x; free space there");
    }

    @Test
    void aConfigErrorBehindOthersIsToldAndExitCode2() {
        int code = run(
                options -> {
                    throw new IllegalStateException("job aborted", new ConfigException("train.lr is 0; raise it"));
                },
                "train");
        assertThat(code).isEqualTo(2);
        assertThat(err.toString().strip()).isEqualTo("kindling: train.lr is 0; raise it");
    }

    @Test
    void aBugIsNamedAndVerboseShowsWhere() {
        Job<TrainOptions> buggy = options -> {
            throw new NullPointerException();
        };
        assertThat(run(buggy, "train")).isEqualTo(1);
        assertThat(err.toString().strip()).isEqualTo("kindling: NullPointerException (-v shows where)");
        assertThat(run(buggy, "train", "-v")).isEqualTo(1);
        assertThat(err.toString()).contains("at dev.kindling.job.KindlingTest");
    }

    @Test
    void anErrorIsAFailureToo() {
        int code = run(
                options -> {
                    throw new NoClassDefFoundError("a/b/C");
                },
                "train");
        assertThat(code).isEqualTo(1);
        assertThat(err.toString().strip()).isEqualTo("kindling: NoClassDefFoundError: a/b/C (-v shows where)");
    }

    @Test
    void aDriverWithoutMemorySaysWhatToSet() {
        int code = run(
                options -> {
                    throw new OutOfMemoryError("Java heap space");
                },
                "train");
        assertThat(code).isEqualTo(1);
        assertThat(err.toString().strip())
                .isEqualTo(
                        "kindling: the driver ran out of memory (Java heap space); give it more with --driver-memory");
    }
}
