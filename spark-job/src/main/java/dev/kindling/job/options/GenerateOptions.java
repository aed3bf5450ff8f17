package dev.kindling.job.options;

import dev.kindling.checkpoint.WhichCheckpoint;
import java.util.List;
import java.util.Optional;

/**
 * Options of {@code generate}.
 *
 * @param checkpoint a run directory or a checkpoint directory
 * @param which checkpoint of a run directory
 * @param prompt to continue on the terminal; empty if there is a file of prompts
 * @param file of prompts to continue in a Spark job
 */
public record GenerateOptions(
        String checkpoint,
        WhichCheckpoint which,
        Optional<String> prompt,
        Optional<PromptFile> file,
        Style style,
        DeviceSettings hardware) {

    /**
     * How texts are sampled.
     *
     * @param maxTokens tokens to sample after the prompt, 1 or more
     * @param temperature logits are divided by it; 0 takes the likeliest token
     * @param topK sample among the K likeliest tokens; 0 for all
     * @param topP sample among the likeliest tokens that make up this probability, in (0, 1]; 1 for all
     * @param stops strings before the first of which a text ends
     */
    public record Style(
            int maxTokens, double temperature, int topK, double topP, List<String> stops, int numSamples, long seed) {}

    /**
     * A job over a file of prompts.
     *
     * @param out the directory to make
     * @param format {@code json} or {@code parquet}
     * @param batch texts written side by side
     */
    public record PromptFile(String path, String out, String format, TaskSettings tasks, int batch) {}
}
