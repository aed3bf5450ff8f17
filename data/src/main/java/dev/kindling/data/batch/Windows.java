package dev.kindling.data.batch;

import dev.kindling.data.DataException;
import dev.kindling.data.shard.TokenSequence;
import java.util.Locale;

/** Cuts windows of T + 1 tokens out of a split: T inputs and, shifted by one, T targets. */
record Windows(TokenSequence tokens, int B, int T) {
    Windows {
        if (B < 1 || T < 1) {
            throw new DataException(String.format(
                    Locale.ROOT,
                    "a batch of %d sequences of %d tokens holds nothing; raise train.micro_batch and model.block_size to at least 1",
                    B,
                    T));
        }
        if (tokens.length() < T + 1L) {
            throw new DataException(String.format(
                    Locale.ROOT,
                    "%s has %,d tokens, fewer than one window of block_size + 1 = %,d; use more text, another data.val_fraction, or a smaller model.block_size",
                    tokens.name(),
                    tokens.length(),
                    T + 1L));
        }
    }

    /** Windows begin at 0 to starts() - 1; as nanoGPT's {@code randint(len(data) - block_size)}. */
    long starts() {
        return tokens.length() - T;
    }

    /** Copies one window to row {@code row} of a batch. */
    void copy(long start, int row, Batch batch) {
        tokens.copy(start, T, batch.inputs(), row * T);
        tokens.copy(start + 1, T, batch.targets(), row * T);
    }

    Batch empty() {
        int size = Math.multiplyExact(B, T);
        return new Batch(new int[size], new int[size], B, T);
    }
}
