package dev.kindling.train;

import dev.kindling.coordinate.message.Topic;
import dev.kindling.report.StartClock;
import java.util.List;

/**
 * What a rank tells the driver when it begins to train.
 *
 * @param where "rank 1 (executor 3 on node7, GPU 0)"
 * @param memory rank 0: the plan of its device's memory, as lines; other ranks: empty
 * @param transport what sums its gradients: driver, ring, nccl or peer; single where there is one rank
 * @param restored what from: "scratch", "step 40 in memory", "step 40 on disk" ...
 * @param phases what its time has gone to since it began
 */
public record RankReport(
        String where, String memory, String transport, String restored, List<StartClock.Phase> phases) {
    public static final Topic<RankReport> TOPIC = new Topic<>("rank", RankReport.class);

    /** What a rank tells the user while it trains: what is so, and what would change it. */
    public record Notice(String where, String text) {
        public static final Topic<Notice> TOPIC = new Topic<>("notice", Notice.class);
    }
}
