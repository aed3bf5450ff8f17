package dev.kindling.data.batch;

import dev.kindling.data.DataException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * A split's documents for evaluation, packed in order. Each document is cut into pieces of at most T tokens; pieces go
 * whole into batches of B * T tokens, and the unused rest of a batch has no targets. Where the split has more pieces
 * than {@code batches} batches hold, evenly spaced ones are taken. A batch is a pure function of its number. Safe to
 * share between threads.
 */
public final class PackedValidation implements ValidationSet {
    private final Documents data;
    private final int T;
    private final List<Pack> packs = new ArrayList<>();

    /**
     * @param batches the most batches: {@code train.eval_batches}
     * @param B sequences of full length that a batch has room for
     * @param T the most tokens of a sequence: the block size
     * @throws DataException if no document has two tokens, or there are no batches
     */
    public PackedValidation(Documents data, int batches, int B, int T) {
        this.data = data;
        this.T = T;
        if (batches < 1) {
            throw new DataException(
                    "%d validation batches measure nothing; raise train.eval_batches to at least 1", batches);
        }
        Count all = new Count();
        forEachPiece(all);
        if (all.pieces == 0) {
            throw new DataException(
                    "none of the validation documents has two tokens, so there is nothing to predict; raise data.val_fraction, or set data.packing to windows");
        }
        forEachPiece(new Choice(all, batches, Math.multiplyExact(B, T)));
    }

    private void forEachPiece(Consumer<Pack.Piece> action) {
        data.index().forEach((start, end) -> {
            for (long at = start; at + 1 < end; at += T) {
                action.accept(Pack.Piece.of(at, end, T));
            }
        });
    }

    /** Counts pieces. */
    private static final class Count implements Consumer<Pack.Piece> {
        private long pieces;
        private long tokens;

        @Override
        public void accept(Pack.Piece piece) {
            pieces++;
            tokens += piece.count();
        }
    }

    /** Packs evenly spaced pieces, as many as fit. */
    private final class Choice implements Consumer<Pack.Piece> {
        private final Count all;
        private final int batches;
        private final int size;
        /** How many to take. */
        private final long wanted;

        private long passed;
        private long taken;
        private boolean full;

        Choice(Count all, int batches, int size) {
            this.all = all;
            this.batches = batches;
            this.size = size;
            long budget = (long) batches * size;
            wanted = all.tokens <= budget ? all.pieces : (long) Math.max(1, (double) all.pieces * budget / all.tokens);
        }

        @Override
        public void accept(Pack.Piece piece) {
            boolean chosen = !full && passed++ == taken * all.pieces / wanted;
            if (chosen) {
                taken++;
                add(piece);
            }
        }

        private void add(Pack.Piece piece) {
            Pack last = packs.isEmpty() ? null : packs.get(packs.size() - 1);
            if (last == null || piece.count() > last.room()) {
                full = packs.size() == batches;
                if (full) {
                    return;
                }
                last = new Pack(size);
                packs.add(last);
            }
            last.add(piece);
        }
    }

    /** The most sequences in a batch. A model captured for fixed shapes is built for that many. */
    public int maxSequences() {
        return packs.stream()
                .mapToInt(pack -> pack.sequences() + pack.restSequences(T))
                .max()
                .getAsInt();
    }

    @Override
    public int count() {
        return packs.size();
    }

    @Override
    public PackedBatch batch(int index) {
        return packs.get(index).read(data.tokens(), T);
    }

    @Override
    public long targets() {
        return packs.stream().mapToLong(Pack::targets).sum();
    }
}
