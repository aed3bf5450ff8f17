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
import java.util.stream.Stream;
import org.apache.hadoop.util.ShutdownHookManager;
import org.apache.spark.SparkEnv;
import org.apache.spark.rpc.RpcEnvStoppedException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The process that ranks run in, one after another. Spark ends it at once when its driver is gone; it then first has its rank
 * leave, and what that has kept saves itself: {@link JobPlace.Kept#orphaned}.
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

    private static boolean hooked;
    private static RankSession running;
    private static JobPlace.Notice notice;

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

    static synchronized void notice(JobPlace.Notice given) {
        notice = given;
    }

    private static void outliveDriver() {
        RankSession rank;
        Optional<JobPlace.Notice> others;
        synchronized (ExecutorProcess.class) {
            rank = running;
            others = Optional.ofNullable(notice);
        }
        Optional<String> job = rank == null
                ? CoordinatorEndpoint.retained().job()
                : Optional.of(rank.place().job());
        if (job.isEmpty() || !isGone(job.get())) {
            return;
        }
        LOG.warn("ended by driver's loss: this executor saves what its rank holds, where nobody else does");
        others.ifPresent(
                JobPlace.Notice::begin); // before all that takes time, as the next driver may come at any moment
        try {
            if (rank != null) {
                leave(rank);
            }
            JobPlace.Kept kept = CoordinatorEndpoint.retained().take(job.get());
            if (kept != null) {
                kept.orphaned();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            others.ifPresent(JobPlace.Notice::end);
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
