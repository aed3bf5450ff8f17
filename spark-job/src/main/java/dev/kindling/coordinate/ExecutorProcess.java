package dev.kindling.coordinate;

import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.RankMessage;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.apache.hadoop.util.ShutdownHookManager;
import org.apache.spark.SparkEnv;
import org.apache.spark.rpc.RpcEnvStoppedException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The process that ranks run in, one after another. Spark ends it at once when its driver is gone; it then first has its rank
 * leave, and what that has kept saves itself: {@link JobPlace.Kept#orphaned}. A driver that is told to end has all of them do
 * so while it waits, since Spark would end them one after the other, and in the middle of a step.
 */
public final class ExecutorProcess {
    private static final Logger LOG = LoggerFactory.getLogger(ExecutorProcess.class);
    /** Exit code of an executor that had to end itself. */
    private static final int EXIT_FENCED = 57;
    /** Of the shutdown hook, before those of Spark and of Hadoop's file systems. */
    private static final int HOOK_PRIORITY = 100;
    /** The most that the exit is held up. The cluster may kill the process earlier. */
    private static final long HOOK_SECONDS = 120;

    private static final long LEAVE_MILLIS = 5_000;
    private static final long ANSWER_MILLIS = 1_500;
    private static final long POLL_MILLIS = 50;

    /** Held while what is kept here is saved. */
    private static final ReentrantLock SAVING = new ReentrantLock();

    private static boolean hooked;
    private static boolean driverEnds;
    private static RankSession running;
    private static JobPlace.Notice notice;
    private static String jobOfNotice;

    private ExecutorProcess() {}

    /** Ends this executor at once, without shutdown hooks, which native code that hangs could block; never the driver. */
    public static void end(String reason) {
        if (!isDriver()) {
            LOG.error("{}; ending this executor", reason);
            Runtime.getRuntime().halt(EXIT_FENCED);
        }
    }

    private static boolean isDriver() {
        return SparkEnv.get().executorId().equals("driver");
    }

    /** A rank begins here. */
    static synchronized void began(RankSession rank) {
        running = rank;
        if (!hooked && !isDriver()) {
            hooked = true;
            ShutdownHookManager.get()
                    .addShutdownHook(ExecutorProcess::outliveDriver, HOOK_PRIORITY, HOOK_SECONDS, TimeUnit.SECONDS);
        }
    }

    /** It has left. */
    static synchronized void ended(RankSession rank) {
        if (running == rank) {
            running = null;
            ExecutorProcess.class.notifyAll();
        }
    }

    static synchronized void notice(String job, JobPlace.Notice ofJob) {
        jobOfNotice = job;
        notice = ofJob;
    }

    private static synchronized JobPlace.Notice notice(String job) {
        return job.equals(jobOfNotice) ? notice : null;
    }

    /** The driver's process is about to end, and waits until this one has saved what it holds. Returns at once. */
    static synchronized void driverEnds() {
        if (driverEnds) {
            return;
        }
        driverEnds = true;
        Thread thread = new Thread(
                () -> {
                    tellDriver(false);
                    outlive(CoordinatorEndpoint.retained(), job -> true);
                    tellDriver(true);
                },
                "kindling-driver-ends");
        thread.setDaemon(true);
        thread.start();
    }

    private static void tellDriver(boolean done) {
        try {
            CoordinatorEndpoint.ask(new RankMessage.Saves(0, 0, SparkEnv.get().executorId(), done));
        } catch (Exception e) { // gone already
            LOG.warn("the driver does not hear that this executor saves what its rank holds: {}", e.toString());
        }
    }

    /** The driver has not answered for long, though Spark has not ended this process: what it holds is saved, then closed. */
    static void driverIsLost(Retained retained) {
        outlive(retained, job -> true).ifPresent(JobPlace.Kept::close);
    }

    private static void outliveDriver() {
        outlive(CoordinatorEndpoint.retained(), ExecutorProcess::isGone);
    }

    /**
     * Saves what is held of a job whose driver is gone. One at a time: who comes second finds nothing left to save.
     *
     * @return what has been saved
     */
    private static Optional<JobPlace.Kept> outlive(Retained retained, Predicate<String> isGone) {
        SAVING.lock();
        try {
            RankSession rank;
            synchronized (ExecutorProcess.class) {
                rank = running;
            }
            Optional<String> job =
                    rank == null ? retained.job() : Optional.of(rank.place().job());
            return job.isPresent() && isGone.test(job.get()) ? save(retained, job.get(), rank) : Optional.empty();
        } finally {
            SAVING.unlock();
        }
    }

    private static Optional<JobPlace.Kept> save(Retained retained, String job, RankSession rank) {
        LOG.warn("ended by driver's loss: this executor saves what its rank holds, where nobody else does");
        // Before all that takes time, as the next driver may come at any moment.
        JobPlace.Notice others = notice(job);
        try (JobPlace.Standing standing = others == null ? null : others.give()) {
            if (rank != null) {
                leave(rank);
            }
            Optional<JobPlace.Kept> kept = Optional.ofNullable(retained.take(job));
            kept.ifPresent(JobPlace.Kept::orphaned);
            return kept;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        }
    }

    private static void leave(RankSession rank) throws InterruptedException {
        rank.orphaned();
        if (!awaitEnd()) {
            rank.stop("its driver is gone, and its step takes longer than " + LEAVE_MILLIS + " ms");
            awaitEnd();
        }
    }

    /** Waits, bounded, until the rank has left; whether it has. */
    private static synchronized boolean awaitEnd() throws InterruptedException {
        long end = System.nanoTime() + LEAVE_MILLIS * 1_000_000L;
        while (running != null && System.nanoTime() - end < 0) {
            ExecutorProcess.class.wait(POLL_MILLIS);
        }
        return running == null;
    }

    /** Whether the driver of a job answers no more; one that ends together with this process still may for a moment. */
    private static boolean isGone(String job) {
        long end = System.nanoTime() + ANSWER_MILLIS * 1_000_000L;
        boolean answered = false;
        while (System.nanoTime() - end < 0) {
            try {
                DriverReply reply =
                        CompletableFuture.supplyAsync(() -> ask(job)).get(ANSWER_MILLIS, TimeUnit.MILLISECONDS);
                if (!(reply instanceof DriverReply.Ok)) {
                    return reply instanceof DriverReply.Ending; // else the job is over
                }
                answered = true;
                Thread.sleep(POLL_MILLIS);
            } catch (ExecutionException e) {
                return !answered || !isOfOwnEnd(e);
            } catch (TimeoutException e) {
                return true;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return false;
            }
        }
        return false;
    }

    /** Whether a question was not even sent, since Spark has shut down this process's RPC, as a driver may order it to. */
    private static boolean isOfOwnEnd(Throwable failure) {
        return Stream.iterate(failure, Objects::nonNull, Throwable::getCause)
                .anyMatch(cause ->
                        cause instanceof RejectedExecutionException || cause instanceof RpcEnvStoppedException);
    }

    private static DriverReply ask(String job) {
        try {
            return CoordinatorEndpoint.ask(new RankMessage.Retains(0, 0, job));
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
