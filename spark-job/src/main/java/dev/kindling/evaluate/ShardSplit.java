package dev.kindling.evaluate;

import dev.kindling.data.DataException;
import dev.kindling.data.batch.Batch;
import dev.kindling.data.batch.ValidationBatches;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.shard.TokenSequence;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.prepare.ShardPreparation;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.Serializable;
import java.util.Arrays;
import java.util.Iterator;
import java.util.stream.LongStream;

/**
 * A split of a run's shards as one document, the stream of tokens that training sees.
 *
 * @param folder of the shards
 * @param split {@code train} or {@code val}
 * @param windows how many evenly placed windows of block_size tokens to look at, as training's validation does; 0 for
 *     every token, by the stride
 * @param tokens of the split
 */
record ShardSplit(String folder, String split, int windows, long tokens) implements Serializable {
    private static final int SEGMENT_TOKENS = 1 << 16;
    private static final int SEGMENT_WINDOWS = 64;

    /** Opens the shards and counts. */
    static ShardSplit of(String folder, String split, int windows) throws IOException {
        TokenSequence tokens = open(folder).tokens(split);
        return new ShardSplit(folder, split, windows, tokens.length());
    }

    private static ShardSet open(String folder) throws IOException {
        return ShardPreparation.open(folder, Storage.settings());
    }

    long segments() {
        return windows > 0
                ? (windows + SEGMENT_WINDOWS - 1L) / SEGMENT_WINDOWS
                : (tokens + SEGMENT_TOKENS - 1) / SEGMENT_TOKENS;
    }

    /** The segments of task number {@code task} out of {@code tasks}. */
    Iterator<Passage> passages(int task, int tasks) throws IOException {
        ShardSet set = open(folder);
        TokenSequence sequence = set.tokens(split);
        return LongStream.range(segments() * task / tasks, segments() * (task + 1) / tasks)
                .<Passage>mapToObj(number -> new Segment(this, sequence, set.tokenizer(), number))
                .iterator();
    }

    private void requireSame(Tokenizer shards, Tokenizer model) {
        if (!shards.equals(model)) {
            throw new DataException(
                    "the shards in %s are of the tokenizer %s, and the checkpoint's is %s; give the text by --data, or the checkpoint's own run",
                    folder, shards, model);
        }
    }

    /** Consecutive tokens, or windows as {@link ValidationBatches} places them. */
    private record Segment(ShardSplit of, TokenSequence sequence, Tokenizer tokenizer, long number) implements Passage {
        @Override
        public String id() {
            return of.split();
        }

        @Override
        public boolean whole() {
            return of.segments() == 1;
        }

        @Override
        public void read(Tokenizer model, int block, Tokens to) {
            of.requireSame(tokenizer, model);
            if (of.windows() > 0) {
                readWindows(block, to);
            } else {
                long first = number * SEGMENT_TOKENS;
                to.begin(tokens(Math.max(0, first - block), first));
                to.score(tokens(first, Math.min(of.tokens(), first + SEGMENT_TOKENS)));
            }
        }

        private void readWindows(int block, Tokens to) {
            ValidationBatches all = new ValidationBatches(sequence, of.windows(), 1, block);
            int first = Math.toIntExact(number * SEGMENT_WINDOWS);
            for (int window = first; window < Math.min(of.windows(), first + SEGMENT_WINDOWS); window++) {
                Batch batch = all.batch(window);
                to.begin(Arrays.copyOf(batch.inputs(), 1));
                to.score(batch.targets());
            }
        }

        private int[] tokens(long from, long to) {
            int[] tokens = new int[(int) (to - from)];
            sequence.copy(from, tokens.length, tokens, 0);
            return tokens;
        }
    }
}
