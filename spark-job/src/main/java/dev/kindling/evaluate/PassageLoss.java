package dev.kindling.evaluate;

/**
 * The score of one passage while it is being computed. Losses are added up as whole units of 2^-32 nats, to which the
 * sum over a window is rounded. Integers give the same sum in any order, so totals depend neither on partitions nor on
 * retries.
 */
final class PassageLoss implements WindowBatch.Tally {
    /** Units per nat. */
    static final double UNITS = 0x1p32;

    private final Passage passage;
    private long tokens;
    private long bytes;
    private long nats;
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

    @Override
    public String subject() {
        return "document " + passage.id();
    }

    @Override
    public void expect() {
        outstanding++;
    }

    @Override
    public void add(double loss, int scored) {
        outstanding--;
        // Whole nats apart, as PassageScore has them: a compressed file of a billion tokens is one passage.
        units += Math.round(loss * UNITS);
        nats += units / (long) UNITS;
        units %= (long) UNITS;
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

    /** Whole nats of loss. */
    long nats() {
        return nats;
    }

    /** Units of loss beside them, less than a nat. */
    long units() {
        return units;
    }

    /** Why the document cannot be scored; null if it can. */
    String problem() {
        return problem;
    }
}
