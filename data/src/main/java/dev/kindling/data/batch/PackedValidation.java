package dev.kindling.data.batch;

import dev.kindling.data.DataException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

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
            throw new DataException(String.format(
                    Locale.ROOT,
                    "%d validation batches measure nothing; raise train.eval_batches to at least 1",
                    batches));
        }
        List<Pack.Piece> pieces = pieces();
        if (pieces.isEmpty()) {
            throw new DataException(
                    "none of the validation documents has two tokens, so there is nothing to predict; raise data.val_fraction, or set data.packing to windows");
        }
        int size = Math.multiplyExact(B, T);
        long total = pieces.stream().mapToLong(Pack.Piece::count).sum();
        long budget = (long) batches * size;
        int kept = total <= budget ? pieces.size() : (int) Math.max(1, (double) pieces.size() * budget / total);
        Pack pack = new Pack(size);
        packs.add(pack);
        for (int i = 0; i < kept; i++) {
            Pack.Piece piece = pieces.get((int) ((long) i * pieces.size() / kept));
            if (piece.count() > pack.room()) {
                if (packs.size() == batches) {
                    return;
                }
                pack = new Pack(size);
                packs.add(pack);
            }
            pack.add(piece);
        }
    }

    private List<Pack.Piece> pieces() {
        List<Pack.Piece> pieces = new ArrayList<>();
        for (int document = 0; document < data.index().count(); document++) {
            long end = data.index().end(document);
            for (long start = data.index().start(document); start + 1 < end; start += T) {
                pieces.add(Pack.Piece.of(start, end, T));
            }
        }
        return pieces;
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
