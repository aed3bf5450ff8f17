package dev.kindling.data.batch;

import dev.kindling.data.DataException;
import dev.kindling.data.shard.TokenSequence;
import java.util.Objects;

/**
 * The windows that every evaluation uses: {@code batches * B} of them, evenly spaced from the first token of a split to
 * its last. A batch is a pure function of its number, so the validation loss depends neither on the world size nor on
 * the step, and has no sampling noise between evaluations. Safe to share between threads.
 */
public final class ValidationBatches implements ValidationSet {
    private final Windows windows;
    private final int batches;

    /**
     * @param tokens the split to look at
     * @param batches {@code train.eval_batches}
     * @param B sequences in a batch
     * @param T tokens in a sequence: the block size
     * @throws DataException if the split is shorter than T + 1 tokens, or there are no batches
     */
    public ValidationBatches(TokenSequence tokens, int batches, int B, int T) {
        this.windows = new Windows(tokens, B, T);
        this.batches = batches;
        if (batches < 1) {
            throw new DataException(
                    "%d validation batches measure nothing; raise train.eval_batches to at least 1", batches);
        }
    }

    @Override
    public int count() {
        return batches;
    }

    @Override
    public long targets() {
        return (long) batches * windows.B() * windows.T();
    }

    @Override
    public Batch batch(int index) {
        Objects.checkIndex(index, batches);
        long[] starts = new long[windows.B()];
        long last = windows.starts() - 1;
        long gaps = Math.max(1, (long) batches * windows.B() - 1);
        for (int row = 0; row < windows.B(); row++) {
            long sequence = (long) index * windows.B() + row;
            // last * sequence / gaps, in parts that cannot overflow.
            starts[row] = last / gaps * sequence + last % gaps * sequence / gaps;
        }
        return windows.read(starts);
    }
}
