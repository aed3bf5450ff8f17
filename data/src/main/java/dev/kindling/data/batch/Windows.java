package dev.kindling.data.batch;

import dev.kindling.data.DataException;
import dev.kindling.data.shard.TokenSequence;
import java.util.ArrayList;
import java.util.List;

/** Cuts windows of T + 1 tokens out of a split: T inputs and, shifted by one, T targets. */
record Windows(TokenSequence tokens, int B, int T) {
    Windows {
        if (B < 1 || T < 1) {
            throw new DataException(
                    "a batch of %d sequences of %d tokens holds nothing; raise train.micro_batch and model.block_size to at least 1",
                    B, T);
        }
        if (tokens.length() < T + 1L) {
            throw new DataException(
                    "%s has %,d tokens, fewer than one window of block_size + 1 = %,d; use more text, another data.val_fraction, or a smaller model.block_size",
                    tokens.name(), tokens.length(), T + 1L);
        }
    }

    /** Windows begin at 0 to starts() - 1; as nanoGPT's {@code randint(len(data) - block_size)}. */
    long starts() {
        return tokens.length() - T;
    }

    /** The batch of the windows that begin at these tokens, one a row. */
    Batch read(long[] starts) {
        int size = Math.multiplyExact(B, T);
        int[] ids = new int[Math.addExact(size, B)];
        List<TokenSequence.Slice> slices = new ArrayList<>(B);
        for (int row = 0; row < B; row++) {
            slices.add(new TokenSequence.Slice(starts[row], T + 1, row * (T + 1)));
        }
        tokens.copyAll(slices, ids);
        Batch batch = new Batch(new int[size], new int[size], B, T);
        for (int row = 0; row < B; row++) {
            System.arraycopy(ids, row * (T + 1), batch.inputs(), row * T, T);
            System.arraycopy(ids, row * (T + 1) + 1, batch.targets(), row * T, T);
        }
        return batch;
    }
}
