package dev.kindling.job.command;

import dev.kindling.config.ConfigException;
import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.config.TrainConfig;
import dev.kindling.job.options.PrepareOptions;
import dev.kindling.job.options.PrepareOptions.Format;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(name = "prepare", description = "Turn text into checked shards of tokens, in parallel.", sortOptions = false)
public final class PrepareCommand implements Callable<Integer> {
    @Option(
            names = "--corpus",
            required = true,
            paramLabel = "PATH",
            description =
                    "shakespeare, or a text file, a Parquet or JSON lines table (with --column), a folder of them or of"
                            + " nanoGPT's or llm.c's .bin files, or a Hadoop path.")
    private String corpus;

    @Option(names = "--column", paramLabel = "NAME", description = "The table's column of text.")
    private String column;

    @Option(names = "--tokenizer", required = true, paramLabel = "NAME", description = "char or gpt2.")
    private String tokenizer;

    @Option(
            names = "--val-fraction",
            paramLabel = "F",
            description = "The share of the text that validates, its end, between 0 and 1 (default: 0.1).")
    private Double valFraction;

    @Option(
            names = "--format",
            paramLabel = "NAME",
            defaultValue = "shards",
            description = "shards (the default): for train; nanogpt: train.bin and val.bin; llmc: llm.c's files.")
    private String format;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "Directory for the shards.")
    private String out;

    private final Job<PrepareOptions> job;

    public PrepareCommand(Job<PrepareOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        Format asked = OptionValues.of("--format", format, Format.class);
        TokenizerKind kind = kind();
        if (asked == Format.LLMC && kind != TokenizerKind.GPT2) {
            throw new ConfigException(
                    "--format llmc is of GPT-2's ids alone; use --tokenizer gpt2, or --format nanogpt");
        }
        double held = Objects.requireNonNullElseGet(
                valFraction, () -> TrainConfig.defaults().data().valFraction());
        if (!(held > 0 && held < 1)) {
            throw new ConfigException(
                    "--val-fraction is %s, but both parts need text; set it between 0 and 1, for example 0.1", held);
        }
        job.run(new PrepareOptions(corpus, Optional.ofNullable(column), kind, held, asked, out));
        return ExitCode.DONE;
    }

    private TokenizerKind kind() {
        TokenizerKind kind = OptionValues.of("--tokenizer", tokenizer, TokenizerKind.class);
        if (kind == TokenizerKind.BPE) {
            throw new ConfigException(
                    "--tokenizer is 'bpe', but text has no byte pairs of its own; use char or gpt2, or leave the text"
                            + " to train, with data.tokenizer bpe and the model in train.init_from");
        }
        return kind;
    }
}
