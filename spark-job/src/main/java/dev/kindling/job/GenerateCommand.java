package dev.kindling.job;

import dev.kindling.train.ClusterSection.AttentionChoice;
import dev.kindling.train.ClusterSection.DeviceChoice;
import dev.kindling.train.ConfigException;
import dev.kindling.train.TrainSection.PrecisionChoice;
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
final class GenerateCommand implements Callable<Integer> {
    @Option(
            names = "--checkpoint",
            required = true,
            paramLabel = "DIR",
            description = "A run directory (its latest checkpoint is taken) or a checkpoint directory.")
    private String checkpoint;

    @Option(names = "--prompt", paramLabel = "TEXT", description = "Where the text begins; it is printed as it comes.")
    private String prompt;

    @Option(
            names = "--prompts",
            paramLabel = "FILE",
            description = "Instead: a file of prompts, one a line, or JSON lines (.json, .jsonl) with prompt and id.")
    private String prompts;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "With --prompts: directory to make, for completions/ and summary.json.")
    private String out;

    @Option(
            names = "--format",
            paramLabel = "NAME",
            defaultValue = "json",
            description = "Of completions/: json (lines) or parquet (${DEFAULT-VALUE}).")
    private String format;

    @Option(names = "--max-tokens", defaultValue = "500", description = "Tokens to add (${DEFAULT-VALUE}).")
    private int maxTokens;

    @Option(
            names = "--temperature",
            defaultValue = "0.8",
            description = "Higher is wilder, 0 takes the likeliest token (${DEFAULT-VALUE}).")
    private double temperature;

    @Option(
            names = "--top-k",
            defaultValue = "200",
            description = "Sample among the K likeliest tokens, 0 for all (${DEFAULT-VALUE}).")
    private int topK;

    @Option(
            names = "--top-p",
            defaultValue = "1.0",
            description = "Sample among the likeliest tokens that make up this probability (${DEFAULT-VALUE}).")
    private double topP;

    @Option(names = "--num-samples", defaultValue = "1", description = "Texts to write (${DEFAULT-VALUE}).")
    private int numSamples;

    @Option(names = "--seed", defaultValue = "1337", description = "Same seed, same text (${DEFAULT-VALUE}).")
    private long seed;

    @Option(
            names = "--stop",
            paramLabel = "TEXT",
            description = "End a text before this string, a line break as \\n. Repeatable.")
    private List<String> stops = new ArrayList<>();

    @Option(names = "--device", paramLabel = "NAME", defaultValue = "auto", description = "auto, cpu or cuda.")
    private String device;

    @Option(
            names = "--attention",
            paramLabel = "NAME",
            defaultValue = "auto",
            description = "auto, math, flash or efficient.")
    private String attention;

    @Option(names = "--precision", paramLabel = "NAME", defaultValue = "auto", description = "auto, bf16 or fp32.")
    private String precision;

    @Option(
            names = "--on-error",
            paramLabel = "WHAT",
            defaultValue = "fail",
            description = "With --prompts: fail, or skip: count and report prompts that cannot be continued"
                    + " (${DEFAULT-VALUE}).")
    private String onError;

    @Option(
            names = "--executors",
            paramLabel = "N",
            description = "With --prompts. Default: 2, or one for each GPU of this host.")
    private Integer executors;

    @Option(
            names = "--partitions",
            paramLabel = "N",
            description = "With --prompts: tasks. Default: as many as run at once.")
    private Integer partitions;

    @Option(
            names = "--batch",
            paramLabel = "N",
            defaultValue = "16",
            description = "With --prompts: texts written side by side (${DEFAULT-VALUE}).")
    private int batch;

    @Mixin
    private CommonOptions common;

    private final Job<GenerateOptions> job;

    GenerateCommand(Job<GenerateOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        check(
                (prompt == null) != (prompts == null),
                "give either --prompt TEXT or --prompts FILE, to say what to continue");
        check((prompts == null) == (out == null), "--prompts FILE and --out DIR go together; give both or neither");
        check(
                prompt == null || !prompt.isEmpty(),
                "--prompt is empty, but a text needs a first character; try --prompt 'ROMEO:'");
        check(maxTokens >= 1, "--max-tokens is " + maxTokens + "; set it to 1 or more");
        check(
                temperature >= 0 && Double.isFinite(temperature),
                "--temperature is " + temperature + "; set it to 0 or more");
        check(topK >= 0, "--top-k is " + topK + "; set it to 1 or more, or to 0 for all tokens");
        check(topP > 0 && topP <= 1, "--top-p is " + topP + ", but it is a probability; set it in (0, 1]");
        check(numSamples >= 1, "--num-samples is " + numSamples + "; set it to 1 or more");
        check(stops.stream().noneMatch(String::isEmpty), "--stop is empty, so every text would be; give it a string");
        check(
                format.equals("json") || format.equals("parquet"),
                "--format is '" + format + "'; it may be json or parquet");
        check(
                onError.equals("fail") || onError.equals("skip"),
                "--on-error is '" + onError + "'; it may be fail or skip");
        positive("--executors", executors);
        positive("--partitions", partitions);
        positive("--batch", batch);
        List<String> unescaped =
                stops.stream().map(stop -> stop.replace("\\n", "\n")).toList();
        job.run(new GenerateOptions(
                checkpoint,
                Optional.ofNullable(prompt),
                Optional.ofNullable(prompts).map(this::file),
                new GenerateOptions.Style(maxTokens, temperature, topK, topP, unescaped, numSamples, seed),
                new GenerateOptions.Hardware(
                        Choice.of("--device", device, DeviceChoice.class),
                        Choice.of("--attention", attention, AttentionChoice.class),
                        Choice.of("--precision", precision, PrecisionChoice.class)),
                common.verbose()));
        return Kindling.DONE;
    }

    private GenerateOptions.PromptFile file(String path) {
        return new GenerateOptions.PromptFile(
                path, out, format, onError.equals("skip"), Choice.given(executors), Choice.given(partitions), batch);
    }

    private static void positive(String option, Integer value) {
        check(value == null || value >= 1, option + " is " + value + "; set it to 1 or more");
    }

    private static void check(boolean holds, String message) {
        if (!holds) {
            throw new ConfigException(message);
        }
    }
}
