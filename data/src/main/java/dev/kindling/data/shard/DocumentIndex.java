package dev.kindling.data.shard;

/** Where the documents of a split begin and end, in tokens. */
public final class DocumentIndex {
    private final long[] starts;

    /**
     * Takes the places at which documents begin.
     *
     * @param starts the first token of each document, then the end of the last one: strictly ascending from 0
     */
    public DocumentIndex(long[] starts) {
        this.starts = starts.clone();
        boolean ascending = starts.length > 0 && starts[0] == 0;
        for (int i = 1; i < starts.length; i++) {
            ascending &= starts[i] > starts[i - 1];
        }
        if (!ascending) {
            throw new IllegalArgumentException("document starts must ascend strictly from 0");
        }
    }

    /** Documents of these lengths, one after the other. */
    public static DocumentIndex ofLengths(long... lengths) {
        long[] starts = new long[lengths.length + 1];
        for (int i = 0; i < lengths.length; i++) {
            starts[i + 1] = starts[i] + lengths[i];
        }
        return new DocumentIndex(starts);
    }

    public int count() {
        return starts.length - 1;
    }

    /** The first token of a document. */
    public long start(int document) {
        return starts[document];
    }

    /** The token after the last one of a document. */
    public long end(int document) {
        return starts[document + 1];
    }
}
