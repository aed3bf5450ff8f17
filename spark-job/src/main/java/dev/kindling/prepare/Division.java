package dev.kindling.prepare;

import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.stream.IntStream;
import org.apache.spark.SparkStageInfo;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.JavaSparkStatusTracker;
import org.apache.spark.api.java.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs of parts, one for each task, so that each has about as much to read. */
record Division(List<CorpusPart> parts, int tasks) implements Serializable {
    private static final Logger LOG = LoggerFactory.getLogger(Division.class);
    private static final long POLL_MILLIS = 50;
    private static final long SETTLE_MILLIS = 30_000;

    <R> List<R> run(JavaSparkContext spark, Function<Integer, R> task) {
        return rdd(spark, task).collect();
    }

    /**
     * Like {@link #run}, and returns when no attempt runs any more, of those that Spark has ended since another was faster,
     * too; it waits {@value #SETTLE_MILLIS} ms for them at most.
     */
    <R> List<R> runToTheLastAttempt(JavaSparkContext spark, Function<Integer, R> task) throws Exception {
        JavaFutureAction<List<R>> job = rdd(spark, task).collectAsync();
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

    private <R> JavaRDD<R> rdd(JavaSparkContext spark, Function<Integer, R> task) {
        List<Integer> numbers = IntStream.range(0, tasks).boxed().toList();
        return spark.parallelize(numbers, tasks).map(task);
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

    /** The number of a task's first part. */
    int start(int task) {
        double share = (double) task / tasks;
        long total = parts.stream().mapToLong(CorpusPart::cost).sum();
        long before = 0;
        int index = 0;
        while (index < parts.size() && before < share * total) {
            before += parts.get(index++).cost();
        }
        return index;
    }
}
