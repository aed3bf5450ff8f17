package dev.kindling.report;

import java.util.Locale;

/** Prints when training goes on with fewer ranks than wanted, and when it has all of them again. */
public final class RankCount {
    private final int wanted;
    private final int fewest;
    private int before;

    /** @param fewest of {@code cluster.min_executors} */
    public RankCount(int wanted, int fewest) {
        this.wanted = wanted;
        this.fewest = fewest;
    }

    /** So many ranks go on from a step. */
    public void goesOn(int ranks, long step) {
        if (ranks < wanted) {
            System.err.printf(
                    Locale.ROOT,
                    "kindling: going on with %d of %d executors from step %d, as cluster.min_executors is %d; more join at a checkpoint when they come back%n",
                    ranks,
                    wanted,
                    step,
                    fewest);
        } else if (before > 0 && before < wanted) {
            System.err.printf(
                    Locale.ROOT, "kindling: executors came back: going on with all %d from step %d%n", wanted, step);
        }
        before = ranks;
    }
}
