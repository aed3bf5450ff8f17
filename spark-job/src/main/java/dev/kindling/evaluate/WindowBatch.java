package dev.kindling.evaluate;

import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.data.batch.PackedBatch;
import dev.kindling.data.batch.StridedWindows;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Windows side by side for one forward pass: packed without gaps, or one per row of T tokens. The unused rest is filled
 * with tokens that attend to none of them and have no target.
 */
final class WindowBatch {
    /**
     * The extents of every batch.
     *
     * @param batch B
     * @param block T; a batch has B * T rows
     * @param sequences the most sequences in a packed batch, fillers included; 0 for one window per row
     */
    record Extents(int batch, int block, int sequences) {
        int rows() {
            return Math.multiplyExact(batch, block);
        }

        boolean packed() {
            return sequences > 0;
        }

        private int fillers(int rows) {
            return (rows + block - 1) / block;
        }
    }

    /** The fewest sequences with which a packed batch can take any window: that window, and fillers for the rest. */
    static int leastSequences(int batch) {
        return batch + 1;
    }

    /** Takes the losses of windows. */
    interface Tally {
        /** What is being scored, for errors. */
        String subject();

        /** Announces a window that will be scored. */
        void expect();

        /** Adds the sum of a window's losses, in nats, a finite number. */
        void add(double loss, int scored);

        /** Whether it wants to know if the model, at its likeliest, writes what a window scores. */
        default boolean asksForGreedy() {
            return false;
        }

        /** The answer, before the window's losses are added. */
        default void greedy(boolean writes) {}
    }

    /** The token to which the model gives the highest logit in a row; the first of equal ones. */
    interface Likeliest {
        int in(int row);
    }

    private record Entry(int last, int scored, Tally tally) {
        int first() {
            return last - scored;
        }
    }

    private final Extents extents;
    private final int[] inputs;
    private final int[] targets;
    private final int[] positions;
    private final int[] starts;
    private final List<Entry> entries = new ArrayList<>();
    private int used;

    WindowBatch(Extents extents) {
        this.extents = extents;
        inputs = new int[extents.rows()];
        targets = new int[extents.rows()];
        positions = new int[extents.rows()];
        starts = new int[extents.sequences() + 1];
        Arrays.fill(targets, PackedBatch.NO_TARGET);
    }

    boolean isEmpty() {
        return entries.isEmpty();
    }

    /** Whether a window of {@code length} inputs still fits. */
    boolean takes(int length) {
        if (!extents.packed()) {
            return entries.size() < extents.batch();
        }
        int left = extents.rows() - used - length;
        return left >= 0 && entries.size() + 1 + extents.fillers(left) <= extents.sequences();
    }

    /** Adds a window, see {@link StridedWindows.Sink#window}. */
    void add(int[] tokens, int scored, Tally tally) {
        int length = tokens.length - 1;
        int at = extents.packed() ? used : entries.size() * extents.block();
        System.arraycopy(tokens, 0, inputs, at, length);
        System.arraycopy(tokens, 1 + length - scored, targets, at + length - scored, scored);
        sequence(at, length, entries.size());
        entries.add(new Entry(at + length, scored, tally));
        used = at + length;
    }

    private void sequence(int at, int length, int number) {
        for (int i = 0; i < length; i++) {
            positions[at + i] = i;
        }
        if (extents.packed()) {
            starts[number] = at;
            starts[number + 1] = at + length;
        }
    }

    /**
     * Adds the losses of the rows to what they belong to, in the order of the tokens.
     *
     * @throws FatalJobException if one is not finite
     */
    void distribute(float[] losses) {
        for (Entry entry : entries) {
            double sum = 0;
            for (int row = entry.first(); row < entry.last(); row++) {
                sum += losses[row];
            }
            if (!Double.isFinite(sum)) {
                throw new FatalJobException(
                        "the loss of %s is %s, so the checkpoint's weights are not finite or its training diverged; use another checkpoint",
                        entry.tally().subject(), sum);
            }
            entry.tally().add(sum, entry.scored());
        }
    }

    /** Tells those that ask whether the model writes what their windows score. */
    void answerGreedy(Likeliest likeliest) {
        for (Entry entry : entries) {
            if (entry.tally().asksForGreedy()) {
                int row = entry.first();
                while (row < entry.last() && likeliest.in(row) == targets[row]) {
                    row++;
                }
                entry.tally().greedy(row == entry.last());
            }
        }
    }

    int[] inputs() {
        return inputs;
    }

    int[] targets() {
        return targets;
    }

    int[] positions() {
        return positions;
    }

    /** Fills up a packed batch; returns where each sequence begins, and the number of rows at the end. */
    int[] cumulativeLengths() {
        int number = entries.size();
        for (int at = used; at < extents.rows(); at += extents.block()) {
            sequence(at, Math.min(extents.block(), extents.rows() - at), number++);
        }
        return Arrays.copyOf(starts, number + 1);
    }

    /** Rows that hold a window. */
    int positionsUsed() {
        return extents.packed() ? used : entries.size() * extents.block();
    }
}
