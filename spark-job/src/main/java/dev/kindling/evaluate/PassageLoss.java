package dev.kindling.evaluate;

import dev.kindling.coordinate.message.FatalJobException;
import java.util.Locale;

/**
 * The score of one passage while it is being computed. Losses are added up as whole units of 2^-32 nats, to which the
 * sum over a window is rounded. Integers give the same sum in any order, so totals depend neither on partitions nor on
 * retries.
 */
final class PassageLoss {
    /** Units per nat. */
    static final double UNITS = 0x1p32;

    private final Passage passage;
    private long tokens;
    private long bytes;
    private long units;
    private int outstanding;
    private boolean read;
    private String problem;

    PassageLoss(Passage passage) {
        this.passage = passage;
    }

    Passage passage() {
        return passage;
    }

    /** Announces a window that will be scored. */
    void expect() {
        outstanding++;
    }

    /** Adds the sum of losses of a window, in nats. */
    void add(double loss, int scored) {
        outstanding--;
        if (!Double.isFinite(loss)) {
            throw new FatalJobException(String.format(
                    Locale.ROOT,
                    "the loss of document %s is %s, so the checkpoint's weights are not finite or its training diverged; use another checkpoint",
                    passage.id(),
                    loss));
        }
        units = Math.addExact(units, Math.round(loss * UNITS));
        tokens += scored;
    }

    void addBytes(long more) {
        bytes += more;
    }

    /** Says that no further window will be announced. */
    void endOfPassage() {
        read = true;
    }

    /** Records why the document cannot be scored. */
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

    /** Why the document cannot be scored; null if it can. */
    String problem() {
        return problem;
    }
}
