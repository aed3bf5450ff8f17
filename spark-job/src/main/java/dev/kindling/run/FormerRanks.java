package dev.kindling.run;

import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.RescuedCheckpoints;
import java.io.IOException;
import java.time.Duration;
import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Ranks whose driver was lost, and which save their last finished step in the run's directory: only until another training
 * owns it, which therefore waits for them first.
 */
final class FormerRanks {
    private static final Logger LOG = LoggerFactory.getLogger(FormerRanks.class);
    /** How long after the last sign of their driver ranks may take to say that they are at it. */
    static final Duration NOTICE = Duration.ofSeconds(8);

    private static final long POLL_MILLIS = 100;

    private FormerRanks() {}

    /**
     * Waits while ranks are at it; also for them to say so, where the run was written to a moment ago and its record has
     * steps that nobody has saved.
     *
     * @param notice how long a moment is
     */
    static void await(RunDirectory run, CheckpointStore store, Duration notice) throws IOException {
        RescuedCheckpoints rescued = store.rescued();
        rescued.ranks().await();
        long recorded = run.metricsStep();
        if (!OwnedRun.isLeft(run) || isSaved(recorded, store)) {
            return;
        }
        long age = Math.max(0, rescued.ranks().now() - run.metricsMillis());
        long end = System.nanoTime() + notice.minusMillis(age).toNanos();
        boolean told = false;
        while (!isSaved(recorded, store) && System.nanoTime() - end < 0) {
            if (!told) {
                told = true;
                String line = String.format(
                        Locale.ROOT,
                        "waiting %d s at most for the executors of a driver that was lost a moment ago to save step %d",
                        notice.toSeconds(),
                        recorded);
                LOG.info("{}", line);
                System.out.println(line);
            }
            try {
                Thread.sleep(POLL_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
            rescued.ranks().await();
        }
    }

    private static boolean isSaved(long step, CheckpointStore store) throws IOException {
        return Math.max(store.newestStep(), store.rescued().newestStep()) >= step;
    }
}
