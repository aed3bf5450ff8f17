package dev.kindling.train.checkpoint;

import dev.kindling.checkpoint.SavingRanks;
import dev.kindling.coordinate.JobPlace;
import java.io.IOException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * By which a rank whose driver is gone tells a new driver of the run to wait for it: a thread renews it, so that a rank that
 * was killed is not waited for, and one that writes for long is.
 */
final class SavingNotice implements JobPlace.Standing {
    private static final Logger LOG = LoggerFactory.getLogger(SavingNotice.class);

    private final SavingRanks ranks;
    private final int rank;
    private boolean closed;

    /** Gives the notice; what fails is a warning, for the step is saved anyway. */
    SavingNotice(SavingRanks ranks, int rank) {
        this.ranks = ranks;
        this.rank = rank;
        renew();
        Thread renewal = new Thread(this::renewUntilClosed, "kindling-saving-notice");
        renewal.setDaemon(true);
        renewal.start();
    }

    private synchronized void renewUntilClosed() {
        try {
            while (!closed) {
                wait(SavingRanks.RENEWAL.toMillis());
                if (!closed) {
                    renew();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void renew() {
        try {
            ranks.renew(rank);
        } catch (IOException | RuntimeException e) {
            LOG.warn("rank {} could not say that it is about to save its last step", rank, e);
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        notifyAll();
        try {
            ranks.end(rank);
        } catch (IOException | RuntimeException e) {
            LOG.warn("rank {} could not say that it saves nothing any more", rank, e);
        }
    }
}
