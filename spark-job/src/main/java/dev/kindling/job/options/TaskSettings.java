package dev.kindling.job.options;

import java.util.OptionalInt;

/**
 * How a job without barriers shares its work.
 *
 * @param executors empty for one a GPU of this host, or two
 * @param partitions tasks; empty for as many as suit the work
 * @param skipBad whether input that cannot be used is counted and passed over
 */
public record TaskSettings(OptionalInt executors, OptionalInt partitions, boolean skipBad) {
    private static final int WITHOUT_GPUS = 2;

    /** @param gpus of this host; 0 for a job on the CPU */
    public int executors(int gpus) {
        return executors.orElse(gpus > 0 ? gpus : WITHOUT_GPUS);
    }
}
