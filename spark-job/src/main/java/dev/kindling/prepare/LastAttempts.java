package dev.kindling.prepare;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import org.apache.spark.SparkStageInfo;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.JavaSparkStatusTracker;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs tasks that write files, of which Spark may start several attempts. */
final class LastAttempts {
    private static final Logger LOG = LoggerFactory.getLogger(LastAttempts.class);
    private static final long POLL_MILLIS = 50;
    private static final long SETTLE_MILLIS = 30_000;

    private LastAttempts() {}

    /**
     * The tasks' results, in their order; returns when no attempt runs any more, of those that Spark has ended since another was faster,
     * too; it waits {@value #SETTLE_MILLIS} ms for them at most.
     */
    static <R> List<R> results(JavaSparkContext spark, JavaRDD<R> tasks) throws Exception {
        JavaFutureAction<List<R>> job = tasks.collectAsync();
        List<R> results = resultsOf(job);
        long end = System.nanoTime() + SETTLE_MILLIS * 1_000_000L;
        while (running(spark, job.jobIds()) > 0) {
            if (System.nanoTime() - end > 0) {
                LOG.warn("an attempt that was ended has not left within {} ms; it may leave a file", SETTLE_MILLIS);
                break;
            }
            Thread.sleep(POLL_MILLIS);
        }
        return results;
    }

    private static <R> List<R> resultsOf(JavaFutureAction<List<R>> job) throws Exception {
        try {
            return job.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    private static int running(JavaSparkContext spark, List<Integer> jobs) {
        JavaSparkStatusTracker status = spark.statusTracker();
        return jobs.stream()
                .map(status::getJobInfo)
                .filter(Objects::nonNull)
                .flatMapToInt(job -> Arrays.stream(job.stageIds()))
                .mapToObj(status::getStageInfo)
                .filter(Objects::nonNull)
                .mapToInt(SparkStageInfo::numActiveTasks)
                .sum();
    }
}
