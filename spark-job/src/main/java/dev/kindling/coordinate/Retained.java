package dev.kindling.coordinate;

import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.RankMessage;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thing of an executor process that outlives a generation: what a rank leaves to the next one of its job. While
 * no rank has it, a thread asks the driver whether the job still runs, and closes it when that is over. When the driver has
 * not answered for long, as one whose host is gone, it is saved first, see {@link ExecutorProcess}. Thread-safe.
 */
final class Retained {
    private static final Logger LOG = LoggerFactory.getLogger(Retained.class);
    private static final long ASK_MILLIS = 1_000;
    /** Questions in a row without an answer. */
    private static final int MOST_UNANSWERED = 30;

    private final long askMillis;
    private JobPlace.Kept kept;
    private String job;
    private long keeping;

    Retained() {
        this(ASK_MILLIS);
    }

    /** @param askMillis between two questions */
    Retained(long askMillis) {
        this.askMillis = askMillis;
    }

    /** The job for which something is kept here. */
    synchronized Optional<String> job() {
        return kept == null ? Optional.empty() : Optional.of(job);
    }

    /** What was kept for the job, the caller's from now on, or null. What was kept for another one is closed. */
    synchronized JobPlace.Kept take(String ofJob) {
        JobPlace.Kept taken = kept;
        kept = null;
        if (taken != null && !ofJob.equals(job)) {
            close(taken);
            return null;
        }
        return taken;
    }

    /** Keeps it in the place of anything else. */
    synchronized void keep(String ofJob, JobPlace.Kept left) {
        if (kept != null) {
            close(kept);
        }
        kept = left;
        job = ofJob;
        long turn = ++keeping;
        Thread thread = new Thread(() -> watch(turn, ofJob), "kindling-retained");
        thread.setDaemon(true);
        thread.start();
    }

    private void watch(long turn, String ofJob) {
        int unanswered = 0;
        while (isKept(turn)) {
            Optional<DriverReply> reply = ask(ofJob);
            unanswered = reply.isPresent() ? 0 : unanswered + 1;
            boolean over = reply.filter(DriverReply.Stop.class::isInstance).isPresent();
            if (reply.filter(DriverReply.Ending.class::isInstance).isPresent()) {
                ExecutorProcess.driverEnds();
            }
            if (unanswered == MOST_UNANSWERED) {
                ExecutorProcess.driverIsLost(this);
            }
            if (over) {
                release(turn);
            }
            try {
                Thread.sleep(askMillis);
            } catch (InterruptedException e) {
                release(turn);
            }
        }
    }

    private synchronized boolean isKept(long turn) {
        return kept != null && keeping == turn;
    }

    private static Optional<DriverReply> ask(String ofJob) {
        try {
            return Optional.of(CoordinatorEndpoint.ask(new RankMessage.Retains(0, 0, ofJob)));
        } catch (Exception e) { // the driver is gone, or will not be reached by a rank either
            LOG.warn("no word from the driver: {}", e.toString());
            return Optional.empty();
        }
    }

    private synchronized void release(long turn) {
        if (kept != null && keeping == turn) {
            LOG.info("the job is over: its state in this process is freed");
            close(kept);
            kept = null;
        }
    }

    private static void close(JobPlace.Kept thing) {
        try {
            thing.close();
        } catch (RuntimeException e) {
            LOG.warn("what a rank had left could not be closed: {}", e.toString());
        }
    }
}
