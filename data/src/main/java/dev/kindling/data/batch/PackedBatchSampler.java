package dev.kindling.data.batch;

import dev.kindling.data.DataException;
import dev.kindling.data.shard.DocumentIndex;
import dev.kindling.data.shard.TokenSequence;
import java.util.Arrays;

/**
 * Packs random documents into batches of B * T tokens. A document is drawn with a chance in proportion
 * to its tokens, and taken whole if it has at most T tokens, else as a window of T tokens at a random
 * place in it; the last sequence of a batch is cut where the batch is full. A pure function of (seed,
 * step, micro-batch), as {@link BatchSampler}. Documents of a single token have nothing to predict and
 * are passed over. Safe to share between threads.
 */
public final class PackedBatchSampler {
    private final TokenSequence tokens;
    private final DocumentIndex documents;
    private final int size;
    private final int T;
    private final long seed;

    /** Where the sequences of long enough documents lie, if all of those were put one after the other. */
    private final long[] starts;

    private final int[] numbers;

    /**
     * @param data the split's tokens and documents
     * @param B sequences of full length that a batch has room for
     * @param T the most tokens of a sequence: the block size
     * @throws DataException if no document has two tokens
     */
    public PackedBatchSampler(Documents data, int B, int T, long seed) {
        if (B < 1 || T < 1) {
            throw new DataException(
                    "a batch of %d x %d tokens holds nothing; raise train.micro_batch and model.block_size to at least 1"
                            .formatted(B, T));
        }
        this.tokens = data.tokens();
        this.documents = data.index();
        this.size = Math.multiplyExact(B, T);
        this.T = T;
        this.seed = seed;
        long[] ends = new long[documents.count() + 1];
        int[] kept = new int[documents.count()];
        int count = 0;
        for (int document = 0; document < documents.count(); document++) {
            long length = documents.end(document) - documents.start(document);
            if (length >= 2) {
                kept[count] = document;
                ends[count + 1] = ends[count] + length;
                count++;
            }
        }
        if (count == 0) {
            throw new DataException(
                    "none of the split's %,d documents has two tokens, so there is nothing to predict; use more text, or data.packing windows"
                            .formatted(documents.count()));
        }
        this.numbers = Arrays.copyOf(kept, count);
        this.starts = Arrays.copyOf(ends, count + 1);
    }

    /** A split, with its documents. */
    public record Documents(TokenSequence tokens, DocumentIndex index) {}

    /**
     * Draws one micro-batch.
     *
     * @param step of the optimiser, from 0
     * @param microBatch its number in the step, from 0, over all ranks
     */
    public PackedBatch sample(long step, int microBatch) {
        int[] inputs = new int[size];
        int[] targets = new int[size];
        int[] positions = new int[size];
        int[] cumulative = new int[size + 1];
        int sequences = 0;
        int maxLength = 0;
        for (int at = 0; at < size; at = cumulative[sequences]) {
            // Every micro-batch has its own range of draws, more than it can use: two for each sequence.
            long draw = (long) microBatch * 2 * size + 2L * sequences;
            int document = numbers[drawDocument(step, draw)];
            long start = documents.start(document);
            long length = documents.end(document) - start;
            if (length > T) {
                // The token after the window is in the document too, so that every input has a target.
                start += CounterRandom.below(length - T, seed, step, draw + 1);
            }
            int count = (int) Math.min(Math.min(length, T), size - at);
            tokens.copy(start, count, inputs, at);
            int following = (int) Math.min(count, documents.end(document) - start - 1);
            tokens.copy(start + 1, following, targets, at);
            Arrays.fill(targets, at + following, at + count, PackedBatch.NO_TARGET);
            for (int i = 0; i < count; i++) {
                positions[at + i] = i;
            }
            cumulative[++sequences] = at + count;
            maxLength = Math.max(maxLength, count);
        }
        return new PackedBatch(inputs, targets, positions, Arrays.copyOf(cumulative, sequences + 1), maxLength);
    }

    private int drawDocument(long step, long draw) {
        long token = CounterRandom.below(starts[numbers.length], seed, step, draw);
        int found = Arrays.binarySearch(starts, token);
        return found >= 0 ? found : -found - 2;
    }
}
