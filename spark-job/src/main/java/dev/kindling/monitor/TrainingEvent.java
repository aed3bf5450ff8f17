package dev.kindling.monitor;

import java.util.List;
import java.util.Map;
import org.apache.spark.scheduler.SparkListenerEvent;

/**
 * What a training run tells Spark's listeners. Spark writes these records to the event log by Jackson, under their class
 * names, from which a history server reads them again. Times are in milliseconds since 1970.
 */
public sealed interface TrainingEvent extends SparkListenerEvent {
    /**
     * A run begins, or is resumed.
     *
     * @param run the run directory
     * @param facts what to show of its configuration, by name
     */
    record RunStarted(long time, String run, long maxSteps, Map<String, String> facts) implements TrainingEvent {}

    /** A generation begins; what an earlier one did beyond its first step is done again. */
    record GenerationStarted(long time, int number, int attempt, int worldSize, long startStep)
            implements TrainingEvent {}

    /** A generation ended before the run did. */
    record GenerationFailed(long time, int number, String cause) implements TrainingEvent {}

    /**
     * A batch of points, column by column: each the mean of the steps since the point before.
     *
     * @param step the last step of each point
     * @param loss training loss, in nats a token
     * @param gradNorm the largest norm before clipping
     * @param tokensPerSecond of all ranks together
     * @param rankTokensPerSecond each rank's, in rank order; of more than eight ranks the slowest, median and fastest
     * @param millis of a step, by what the time was spent on
     * @param evaluations validation losses, in nats a token, by step
     */
    @SuppressWarnings("ArrayRecordComponent") // columns, which nobody compares
    record Steps(
            long[] step,
            float[] loss,
            float[] lr,
            float[] gradNorm,
            float[] tokensPerSecond,
            List<float[]> rankTokensPerSecond,
            Map<String, float[]> millis,
            Map<Long, Double> evaluations)
            implements TrainingEvent {}

    /** A checkpoint can be resumed from. */
    record CheckpointCommitted(long time, long step, String path) implements TrainingEvent {}

    /** The run is over: all its steps are done if {@code cause} is empty. */
    record RunEnded(long time, String cause) implements TrainingEvent {}
}
