package dev.kindling.job.command;

import static dev.kindling.config.ConfigException.check;

import dev.kindling.job.options.GenerateOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "generate",
        description = "Continue a prompt on the terminal, or a file of prompts by a Spark job, with a trained model.",
        sortOptions = false)
public final class GenerateCommand implements Callable<Integer> {
    private static final int DEFAULT_BATCH = 16;

    @Mixin
    private CheckpointMixin model;

    @Option(names = "--prompt", paramLabel = "TEXT", description = "Where the text begins; it is printed as it comes.")
    private String prompt;

    @Option(
            names = "--prompts",
            paramLabel = "FILE",
            description =
                    "Instead: a file of prompts, one a line, or JSON lines (.json, .jsonl, .ndjson) with prompt and id.")
    private String prompts;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "With --prompts: directory to make, for completions/ and summary.json.")
    private String out;

    @Option(
            names = "--format",
            paramLabel = "NAME",
            description = "With --prompts, of completions/: json (lines) or parquet (json).")
    private String format;

    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            defaultValue = "500",
            description = "Tokens to add (${DEFAULT-VALUE}).")
    private int maxTokens;

    @Option(
            names = "--temperature",
            paramLabel = "X",
            defaultValue = "0.8",
            description = "Higher is wilder, 0 takes the likeliest token (${DEFAULT-VALUE}).")
    private double temperature;

    @Option(
            names = "--top-k",
            paramLabel = "K",
            defaultValue = "200",
            description = "Sample among the K likeliest tokens, 0 for all (${DEFAULT-VALUE}).")
    private int topK;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            defaultValue = "1.0",
            description = "Sample among the likeliest tokens that make up this probability (${DEFAULT-VALUE}).")
    private double topP;

    @Option(
            names = "--num-samples",
            paramLabel = "N",
            defaultValue = "1",
            description = "Texts to write (${DEFAULT-VALUE}).")
    private int numSamples;

    @Option(
            names = "--seed",
            paramLabel = "S",
            defaultValue = "1337",
            description = "Same seed, same text (${DEFAULT-VALUE}).")
    private long seed;

    @Option(
            names = "--stop",
            paramLabel = "TEXT",
            description = "End a text before this string, a line break as \\n. Repeatable.")
    private List<String> stops = new ArrayList<>();

    @Option(
            names = "--batch",
            paramLabel = "N",
            description = "With --prompts: texts written side by side (" + DEFAULT_BATCH + ").")
    private Integer batch;

    @Mixin
    private TaskMixin tasks;

    private final Job<GenerateOptions> job;

    public GenerateCommand(Job<GenerateOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        check(
                (prompt == null) != (prompts == null),
                "give either --prompt TEXT or --prompts FILE, to say what to continue");
        check((prompts == null) == (out == null), "--prompts FILE and --out DIR go together; give both or neither");
        check(maxTokens >= 1, "--max-tokens is %d; set it to 1 or more", maxTokens);
        check(
                temperature >= 0 && Double.isFinite(temperature),
                "--temperature is %s; set it to 0 or more",
                temperature);
        check(topK >= 0, "--top-k is %d; set it to 1 or more, or to 0 for all tokens", topK);
        check(topP > 0 && topP <= 1, "--top-p is %s, but it is a probability; set it in (0, 1]", topP);
        OptionValues.requireWithin(1, OptionValues.MOST, "--num-samples", numSamples);
        check(
                format == null || format.equals("json") || format.equals("parquet"),
                "--format is '%s'; it may be json or parquet",
                format);
        String idle = format != null ? "--format" : batch != null ? "--batch" : tasks.given();
        check(prompts != null || idle == null, "%s goes with --prompts FILE; drop it, or give such a file", idle);
        List<String> unescaped =
                stops.stream().map(stop -> stop.replace("\\n", "\n")).toList();
        job.run(new GenerateOptions(
                model.checkpoint(),
                model.which(),
                Optional.ofNullable(prompt),
                Optional.ofNullable(prompts).map(this::file),
                new GenerateOptions.Style(maxTokens, temperature, topK, topP, unescaped, numSamples, seed),
                model.hardware()));
        return ExitCode.DONE;
    }

    private GenerateOptions.PromptFile file(String path) {
        return new GenerateOptions.PromptFile(
                path,
                out,
                format == null ? "json" : format,
                tasks.settings(),
                OptionValues.upTo(OptionValues.MOST_SEQUENCES, "--batch", batch).orElse(DEFAULT_BATCH));
    }
}
