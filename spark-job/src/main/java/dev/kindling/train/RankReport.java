package dev.kindling.train;

import java.nio.charset.StandardCharsets;

/**
 * What a rank tells the driver when it begins to train.
 *
 * @param where "rank 1 (executor 3 on node7, GPU 0)"
 * @param restored what from: "scratch", "step 40 in memory", "step 40 on disk" ...
 */
public record RankReport(String where, String restored) {
    /** The topic under which reports travel. */
    public static final String TOPIC = "rank";

    byte[] encode() {
        return (where + "\n" + restored).getBytes(StandardCharsets.UTF_8);
    }

    public static RankReport decode(byte[] payload) {
        String text = new String(payload, StandardCharsets.UTF_8);
        int line = text.indexOf('\n');
        return new RankReport(text.substring(0, line), text.substring(line + 1));
    }
}
