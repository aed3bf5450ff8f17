package dev.kindling.data.batch;

/** The batches that every evaluation looks at, each a pure function of its number. */
public interface ValidationSet {
    /** How many there are. */
    int count();

    /**
     * One of them.
     *
     * @param index from 0 to {@link #count()} - 1
     */
    MicroBatch batch(int index);

    /** How many targets all batches have together. */
    long targets();
}
