package dev.kindling.job;

import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.HeapShortage;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.job.command.FailureReport;
import dev.kindling.session.RetryPause;
import dev.kindling.storage.NoSpaceException;
import java.io.IOException;
import java.util.HashSet;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import org.apache.hadoop.fs.FSError;
import org.apache.spark.ExceptionFailure;
import org.apache.spark.ExecutorLostFailure;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import scala.jdk.javaapi.CollectionConverters;
import scala.jdk.javaapi.OptionConverters;

/**
 * Ends Spark jobs that cannot succeed: at a task's first error that another attempt would not cure (Spark would try
 * four times), and when the cluster has given no executor for {@value Limits#SLOTS} (Spark would wait without end).
 */
final class JobWatch extends SparkListener {
    private static final String INTERRUPT = "spark.job.interruptOnCancel";
    private static final long POLL_MILLIS = 200;

    /** Code that runs Spark jobs from the thread that calls it. */
    interface Work<T> {
        T run() throws IOException;
    }

    private final SparkContext spark;
    private final String results;
    private final String id = UUID.randomUUID().toString();
    private final Set<Integer> jobs = new HashSet<>();
    private final Set<Integer> stages = new HashSet<>();
    private Exception failure;

    private JobWatch(SparkContext spark, String results) {
        this.spark = spark;
        this.results = results;
    }

    /**
     * Runs {@code work} and watches its jobs; throws the error for which they were ended.
     *
     * @param results what the jobs write, for an error of a full disk
     */
    static <T> T over(SparkContext spark, String results, Work<T> work) throws IOException {
        JobWatch watch = new JobWatch(spark, results);
        Thread poll = new Thread(watch::awaitExecutors, "kindling-job-watch");
        poll.setDaemon(true);
        spark.addSparkListener(watch);
        spark.setLocalProperty(RetryPause.WATCHED, watch.id);
        spark.setLocalProperty(INTERRUPT, "true");
        poll.start();
        try {
            return work.run();
        } catch (Exception | FSError e) { // Spark throws checked ones undeclared
            watch.incurable(e).ifPresent(watch::end); // of the driver's own
            watch.rethrow();
            throw e;
        } finally {
            poll.interrupt();
            spark.setLocalProperty(RetryPause.WATCHED, null);
            spark.setLocalProperty(INTERRUPT, null);
            spark.removeSparkListener(watch);
        }
    }

    private synchronized void rethrow() throws IOException {
        if (failure instanceof IOException io) {
            throw io;
        }
        if (failure instanceof RuntimeException unchecked) {
            throw unchecked;
        }
    }

    private void awaitExecutors() {
        long bound = Limits.of(spark.getConf()).slots();
        long seen = System.nanoTime();
        try {
            while (!spark.isStopped()) {
                if (spark.maxNumConcurrentTasks(spark.resourceProfileManager().defaultResourceProfile()) > 0) {
                    seen = System.nanoTime();
                } else if (System.nanoTime() - seen > bound * 1_000_000L) {
                    end(new FatalJobException(
                            "the cluster %s has given no executor for %d ms (%s is the bound); start workers, free busy ones, or ask for less (--executors, spark.executor.memory, spark.executor.cores)",
                            spark.master(), bound, Limits.SLOTS));
                }
                Thread.sleep(POLL_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized void end(Exception cause) {
        failure = failure == null ? cause : failure;
        jobs.forEach(job -> spark.cancelJob(job, failure.getMessage()));
    }

    @Override
    public synchronized void onJobStart(SparkListenerJobStart job) {
        Properties properties = job.properties();
        if (properties != null && id.equals(properties.getProperty(RetryPause.WATCHED))) {
            jobs.add(job.jobId());
            CollectionConverters.asJava(job.stageInfos()).forEach(stage -> stages.add(stage.stageId()));
            if (failure != null) {
                end(failure);
            }
        }
    }

    @Override
    public synchronized void onTaskEnd(SparkListenerTaskEnd task) {
        if (!stages.contains(task.stageId())) {
            return;
        }
        if (task.reason() instanceof ExceptionFailure thrown) {
            OptionConverters.toJava(thrown.exception()).flatMap(this::incurable).ifPresent(this::end);
        } else if (task.reason() instanceof ExecutorLostFailure lost) {
            OptionConverters.toJava(lost.reason())
                    .flatMap(HeapShortage::exit)
                    .ifPresent(said -> end(new FatalJobException(said)));
        }
    }

    /** The error of a failure that every attempt would meet; empty for a failure that another attempt may not meet. */
    private Optional<Exception> incurable(Throwable failure) {
        Optional<Exception> worded = FailureReport.worded(failure);
        if (worded.isPresent()) {
            return worded;
        }
        Optional<String> full = NoSpaceException.reason(failure);
        if (full.isPresent()) {
            String where = results + ", or of an executor's spark.local.dir";
            return Optional.of(new NoSpaceException(where, full.get(), failure));
        }
        return HeapShortage.among(failure, spark.conf()).map(Exception.class::cast);
    }
}
