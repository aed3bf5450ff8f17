package dev.kindling.evaluate;

import dev.kindling.coordinate.message.FatalJobException;

/**
 * What a task found about one passage. Losses add up in whole units of 2^-32 nats, which the sum over a window is
 * rounded to: integers add up to the same whatever the order, so totals depend neither on partitions nor on retries.
 */
final class Tally {
    /** Units a nat. */
    static final double UNITS = 0x1p32;

    private final Passage passage;
    private long tokens;
    private long bytes;
    private long units;
    private int outstanding;
    private boolean read;
    private String problem;

    Tally(Passage passage) {
        this.passage = passage;
    }

    Passage passage() {
        return passage;
    }

    /** A window that will be scored. */
    void expect() {
        outstanding++;
    }

    /** A window's sum of losses, in nats. */
    void add(double loss, int scored) {
        outstanding--;
        if (!Double.isFinite(loss)) {
            throw new FatalJobException(
                    "the loss of document %s is %s, so the checkpoint's weights are not finite or its training diverged; use another checkpoint"
                            .formatted(passage.id(), loss));
        }
        units = Math.addExact(units, Math.round(loss * UNITS));
        tokens += scored;
    }

    void addBytes(long more) {
        bytes += more;
    }

    /** All its windows are on their way. */
    void endOfPassage() {
        read = true;
    }

    /** Why the document cannot be scored. */
    void spoil(String reason) {
        problem = reason;
    }

    boolean done() {
        return read && outstanding == 0;
    }

    long tokens() {
        return tokens;
    }

    /** Bytes of UTF-8 of the tokens scored. */
    long bytes() {
        return bytes;
    }

    long units() {
        return units;
    }

    /** Null where all is well. */
    String problem() {
        return problem;
    }
}
