package dev.kindling.job;

import dev.kindling.train.ConfigException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "generate", description = "Continue a prompt with a trained model.", sortOptions = false)
final class GenerateCommand implements Callable<Integer> {
    @Option(
            names = "--checkpoint",
            required = true,
            paramLabel = "DIR",
            description = "A run directory (its latest checkpoint is taken) or a checkpoint directory.")
    private String checkpoint;

    @Option(names = "--prompt", required = true, paramLabel = "TEXT", description = "Where the text begins.")
    private String prompt;

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

    @Mixin
    private CommonOptions common;

    private final Job<GenerateOptions> job;

    GenerateCommand(Job<GenerateOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        check(!prompt.isEmpty(), "--prompt is empty, but a text needs a first character; try --prompt 'ROMEO:'");
        check(maxTokens >= 1, "--max-tokens is " + maxTokens + "; set it to 1 or more");
        check(
                temperature >= 0 && Double.isFinite(temperature),
                "--temperature is " + temperature + "; set it to 0 or more");
        check(topK >= 0, "--top-k is " + topK + "; set it to 1 or more, or to 0 for all tokens");
        check(topP > 0 && topP <= 1, "--top-p is " + topP + ", but it is a probability; set it in (0, 1]");
        check(numSamples >= 1, "--num-samples is " + numSamples + "; set it to 1 or more");
        job.run(new GenerateOptions(
                checkpoint, prompt, maxTokens, temperature, topK, topP, numSamples, seed, common.verbose()));
        return Kindling.DONE;
    }

    private static void check(boolean holds, String message) {
        if (!holds) {
            throw new ConfigException(message);
        }
    }
}
