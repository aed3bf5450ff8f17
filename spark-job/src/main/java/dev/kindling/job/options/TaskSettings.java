package dev.kindling.job.options;

import java.util.OptionalInt;

/**
 * How an ordinary Spark job (one without a barrier) divides its work.
 *
 * @param executors empty for one per GPU of this host, or two
 * @param partitions number of tasks; empty for as many as suit the work
 * @param skipBad whether input that cannot be used is counted and skipped
 */
public record TaskSettings(OptionalInt executors, OptionalInt partitions, boolean skipBad) {
    private static final int WITHOUT_GPUS = 2;

    /**
     * How many executors to start: as asked for, or what suits the host.
     *
     * @param gpus of this host; 0 for a job on the CPU
     */
    public int executors(int gpus) {
        return executors.orElse(gpus > 0 ? gpus : WITHOUT_GPUS);
    }
}
