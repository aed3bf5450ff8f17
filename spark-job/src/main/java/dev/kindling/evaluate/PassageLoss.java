package dev.kindling.evaluate;

/** The score of one passage while its windows are being computed. */
final class PassageLoss implements WindowBatch.Tally {
    private final Passage passage;
    private PassageScore score;
    private int outstanding;
    private boolean read;

    PassageLoss(Passage passage) {
        this.passage = passage;
        score = PassageScore.none(passage.id());
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
        score = score.plus(PassageScore.of(passage.id(), loss, scored));
    }

    /** Counts bytes of UTF-8 of the tokens that are scored. */
    void addBytes(long bytes) {
        score = score.plus(new PassageScore(passage.id(), 0, bytes, 0, 0, null));
    }

    /** Says that no further window will be announced. */
    void endOfPassage() {
        read = true;
    }

    /** Records why the document cannot be scored. */
    void spoil(String reason) {
        score = score.plus(new PassageScore(passage.id(), 0, 0, 0, 0, reason));
    }

    boolean done() {
        return read && outstanding == 0;
    }

    /** What has been computed so far. */
    PassageScore score() {
        return score;
    }
}
