package dev.kindling.data.batch;

import dev.kindling.data.DataException;
import dev.kindling.data.shard.DocumentIndex;
import java.util.Arrays;

/**
 * Packs random documents into batches of B * T tokens. A document is drawn with a probability in proportion to its
 * length. It is taken whole if it has at most T tokens, else as a window of T tokens at a random place; the last
 * sequence of a batch is cut where the batch is full. Documents of one token have nothing to predict and are skipped. A
 * batch has at most {@link #maxSequences} sequences; in the rare case that so many documents do not fill it, the rest
 * has no targets. A pure function of (seed, step, micro-batch), as {@link BatchSampler}. Safe to share between threads.
 */
public final class PackedBatchSampler {
    private static final int SPARE_SEQUENCES = 8;

    private final Documents data;
    private final int size;
    private final int T;
    private final long seed;
    private final int maxSequences;

    /**
     * For each document that is skipped, ascending, where it would lie if those that are not were put one after another: how
     * many tokens of theirs are before it.
     */
    private final long[] skipped;

    /** Tokens of the documents that are not skipped. */
    private final long tokens;

    /**
     * @param data the split's tokens and documents
     * @param B sequences of full length that a batch has room for
     * @param T the most tokens of a sequence: the block size
     * @throws DataException if no document has two tokens
     */
    public PackedBatchSampler(Documents data, int B, int T, long seed) {
        if (B < 1 || T < 1) {
            throw new DataException(
                    "a batch of %d x %d tokens holds nothing; raise train.micro_batch and model.block_size to at least 1",
                    B, T);
        }
        this.data = data;
        this.size = Math.multiplyExact(B, T);
        this.T = T;
        this.seed = seed;
        Survey survey = new Survey();
        data.index().forEach(survey);
        this.skipped = Arrays.copyOf(survey.skipped, survey.skippedCount);
        this.tokens = data.index().tokens() - skipped.length;
        if (tokens == 0) {
            throw new DataException(
                    "none of the training split's %,d documents has two tokens, so there is nothing to predict; use more text, or data.packing windows",
                    data.index().count());
        }
        this.maxSequences = survey.mostSequences();
    }

    /** Goes through all documents once. */
    private final class Survey implements DocumentIndex.Visitor {
        private long[] skipped = new long[16];
        private int skippedCount;
        private long shortest = T;
        /** Of a token of a document that is drawn in proportion to its length: the sum of what its document gives. */
        private double given;

        @Override
        public void visit(long start, long end) {
            long length = end - start;
            if (length < 2) {
                if (skippedCount == skipped.length) {
                    skipped = Arrays.copyOf(skipped, 2 * skippedCount);
                }
                skipped[skippedCount] = start - skippedCount;
                skippedCount++;
                return;
            }
            shortest = Math.min(shortest, length);
            given += (double) length * Math.min(length, T);
        }

        /** The bound on sequences per batch: twice the average, but no more than the shortest documents could make. */
        int mostSequences() {
            double meanLength = given / tokens;
            return (int) Math.min(
                    (double) (size / shortest + 2), 2 * Math.ceil((double) size / meanLength) + SPARE_SEQUENCES);
        }
    }

    /** The most sequences in a batch. A model captured for fixed shapes is built for that many. */
    public int maxSequences() {
        return maxSequences;
    }

    /** What a micro-batch holds, without reading its tokens. */
    public record Contents(int sequences, long targets) {}

    /** The sequences and targets of the micro-batch that {@link #sample} would return, without reading its tokens. */
    public Contents contents(long step, int microBatch) {
        Pack pack = draw(step, microBatch);
        return new Contents(pack.sequences(), pack.targets());
    }

    /**
     * Draws one micro-batch.
     *
     * @param step of the optimiser, from 0
     * @param microBatch its number in the step, from 0, over all ranks
     */
    public PackedBatch sample(long step, int microBatch) {
        return draw(step, microBatch).read(data.tokens(), T);
    }

    private Pack draw(long step, int microBatch) {
        Pack pack = new Pack(size);
        while (pack.room() > 0 && pack.sequences() + pack.restSequences(T) < maxSequences) {
            // Every micro-batch has its own range of draws, more than it can use: two for each sequence.
            long draw = (long) microBatch * 2 * size + 2L * pack.sequences();
            DocumentIndex.Span document = drawDocument(step, draw);
            long start = document.start();
            long end = document.end();
            if (end - start > T) {
                // The token after the window is in the document too, so that every input has a target.
                start += CounterRandom.below(end - start - T, seed, step, draw + 1);
            }
            pack.add(Pack.Piece.of(start, end, Math.min(T, pack.room())));
        }
        return pack;
    }

    private DocumentIndex.Span drawDocument(long step, long draw) {
        long token = CounterRandom.below(tokens, seed, step, draw);
        return data.index().at(token + skippedUpTo(token));
    }

    /** How many skipped documents lie before a token of the others. */
    private int skippedUpTo(long token) {
        int from = 0;
        int to = skipped.length;
        while (from < to) {
            int middle = (from + to) >>> 1;
            if (skipped[middle] <= token) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        return from;
    }
}
