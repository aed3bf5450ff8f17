package dev.kindling.train;

import dev.kindling.coordinate.message.Topic;

/**
 * What a rank tells the driver when it begins to train.
 *
 * @param where "rank 1 (executor 3 on node7, GPU 0)"
 * @param memory rank 0: the plan of its device's memory, as lines; other ranks: empty
 * @param restored what from: "scratch", "step 40 in memory", "step 40 on disk" ...
 */
public record RankReport(String where, String memory, String restored) {
    public static final Topic<RankReport> TOPIC = new Topic<>("rank", RankReport.class);
}
