package dev.kindling.data.batch;

import dev.kindling.data.shard.TokenSequence;

/**
 * Random windows, as nanoGPT's {@code get_batch}. Sequence n of a step begins at a token drawn uniformly from [0,
 * length - T), as a pure function of (seed, step, n). So a micro-batch is the same whichever rank draws it, in whatever
 * order, before or after a restart, and a step sees the same sequences however its global batch is divided into
 * micro-batches. Safe to share between threads.
 */
public final class BatchSampler {
    private final Windows windows;
    private final long seed;

    /**
     * @param tokens the split to draw from
     * @param B sequences in a micro-batch
     * @param T tokens in a sequence: the block size
     * @throws dev.kindling.data.DataException if the split is shorter than T + 1 tokens
     */
    public BatchSampler(TokenSequence tokens, int B, int T, long seed) {
        this.windows = new Windows(tokens, B, T);
        this.seed = seed;
    }

    /**
     * Draws one micro-batch.
     *
     * @param step of the optimiser, from 0
     * @param microBatch its number in the step, from 0, over all ranks
     */
    public Batch sample(long step, int microBatch) {
        long[] starts = new long[windows.B()];
        for (int row = 0; row < starts.length; row++) {
            long sequence = (long) microBatch * windows.B() + row;
            starts[row] = CounterRandom.below(windows.starts(), seed, step, sequence);
        }
        return windows.read(starts);
    }
}
