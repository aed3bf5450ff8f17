package dev.kindling.run;

import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.RescuedCheckpoints;
import java.io.IOException;
import java.lang.management.ManagementFactory;
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
     * Waits while ranks are at it; and for them to begin, where their driver was lost less than {@code notice} ago with steps
     * that nobody has saved. The time of metrics.jsonl tells when that was, on a local disk. HDFS dates that file by its
     * beginning, and an object store gets it with each checkpoint alone: there the next attempt of a submission, which follows
     * at once, takes it that the driver was lost when this process began.
     */
    static void await(RunDirectory run, CheckpointStore store, Duration notice) throws IOException {
        RescuedCheckpoints rescued = store.rescued();
        rescued.ranks().await();
        boolean nextAttempt = !run.storage().isLocal() && OwnedRun.isOfThisSubmission(run);
        long wanted = run.metricsStep();
        if (nextAttempt && run.storage().isObjectStore()) {
            wanted = Math.max(wanted, store.newestStep() + 1);
        }
        if (!OwnedRun.isLeft(run) || isSaved(wanted, store)) {
            return;
        }
        long age = Math.max(0, rescued.ranks().now() - run.metricsMillis());
        if (nextAttempt) {
            age = Math.min(age, ManagementFactory.getRuntimeMXBean().getUptime());
        }
        long end = System.nanoTime() + notice.minusMillis(age).toNanos();
        boolean told = false;
        while (!isSaved(wanted, store) && System.nanoTime() - end < 0) {
            if (!told) {
                told = true;
                String line = String.format(
                        Locale.ROOT,
                        "waiting %d s at most for the executors of a driver that was lost a moment ago to save step %d",
                        notice.toSeconds(),
                        wanted);
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
