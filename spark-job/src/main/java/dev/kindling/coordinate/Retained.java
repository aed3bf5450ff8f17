package dev.kindling.coordinate;

import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.RankMessage;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thing of an executor process that outlives a generation: what a rank leaves to the next one of its job. While
 * no rank has it, a thread asks the driver whether the job still runs, and closes it when that is over or the driver is
 * gone. Thread-safe.
 */
final class Retained {
    private static final Logger LOG = LoggerFactory.getLogger(Retained.class);
    private static final long ASK_MILLIS = 1_000;

    private AutoCloseable kept;
    private String job;
    private long keeping;

    /** What was kept for the job, the caller's from now on, or null. What was kept for another one is closed. */
    synchronized AutoCloseable take(String ofJob) {
        AutoCloseable taken = kept;
        kept = null;
        if (taken != null && !ofJob.equals(job)) {
            close(taken);
            return null;
        }
        return taken;
    }

    /** Keeps it in the place of anything else. */
    synchronized void keep(String ofJob, AutoCloseable left) {
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
        while (isKept(turn)) {
            if (!goesOn(ofJob)) {
                release(turn);
            }
            try {
                Thread.sleep(ASK_MILLIS);
            } catch (InterruptedException e) {
                release(turn);
            }
        }
    }

    private synchronized boolean isKept(long turn) {
        return kept != null && keeping == turn;
    }

    private static boolean goesOn(String ofJob) {
        try {
            return CoordinatorEndpoint.ask(new RankMessage.Retains(0, 0, ofJob)) instanceof DriverReply.Ok;
        } catch (Exception e) { // the driver is gone, or will not be reached by a rank either
            LOG.warn("no word from the driver: {}", e.toString());
            return false;
        }
    }

    private synchronized void release(long turn) {
        if (kept != null && keeping == turn) {
            LOG.info("the job is over: its state in this process is freed");
            close(kept);
            kept = null;
        }
    }

    private static void close(AutoCloseable thing) {
        try {
            thing.close();
        } catch (Exception e) {
            LOG.warn("what a rank had left could not be closed: {}", e.toString());
        }
    }
}
