package dev.kindling.job.options;

import dev.kindling.attention.AttentionBackend;
import dev.kindling.config.ConfigOverrides;
import java.util.List;
import java.util.Optional;

/**
 * Options of {@code compare}.
 *
 * @param config path, URI or built-in name of the configuration; empty for the one that fits the device
 * @param out directory to make for the report, on any Hadoop file system
 * @param backends in order; the first one that runs is the reference
 * @param series what is varied
 * @param timing how often each backend steps
 * @param overrides of the configuration
 */
public record CompareOptions(
        Optional<String> config,
        String out,
        List<AttentionBackend.Kind> backends,
        Series series,
        Timing timing,
        ConfigOverrides overrides) {
    /**
     * What is varied; an empty list takes the configuration's value.
     *
     * @param lengths model.block_size
     * @param executors world sizes
     * @param compile train.compile
     */
    public record Series(List<Integer> lengths, List<Integer> executors, List<Boolean> compile) {}

    /**
     * How often each backend steps.
     *
     * @param warmUp untimed steps of each backend
     * @param rounds that are timed
     * @param steps of a backend in a round
     */
    public record Timing(int warmUp, int rounds, int steps) {}
}
