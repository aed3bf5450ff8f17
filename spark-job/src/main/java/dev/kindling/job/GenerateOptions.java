package dev.kindling.job;

/**
 * Options of {@code generate}.
 *
 * @param checkpoint a run directory (its latest committed checkpoint) or a checkpoint directory
 * @param maxTokens tokens to sample after the prompt, 1 or more
 * @param temperature 0 takes the likeliest token; else logits are divided by it
 * @param topK sample among the K likeliest, 0 for all
 * @param topP sample among the likeliest that make up this probability, in (0, 1]; 1 for all
 */
public record GenerateOptions(
        String checkpoint,
        String prompt,
        int maxTokens,
        double temperature,
        int topK,
        double topP,
        int numSamples,
        long seed,
        boolean verbose) {}
