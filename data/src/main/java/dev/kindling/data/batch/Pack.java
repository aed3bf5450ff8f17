package dev.kindling.data.batch;

import dev.kindling.data.shard.TokenSequence;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The sequences of a packed batch while it is being filled. */
final class Pack {
    /**
     * A sequence.
     *
     * @param start its first token in the split
     * @param count its tokens
     * @param targets how many of them have the next token of the document as their target: all, or all but the last
     */
    record Piece(long start, int count, int targets) {
        /** Tokens of a document from {@code start} on, at most {@code most}. */
        static Piece of(long start, long documentEnd, int most) {
            int count = (int) Math.min(most, documentEnd - start);
            return new Piece(start, count, (int) Math.min(count, documentEnd - start - 1));
        }
    }

    private final int size;
    private final List<Piece> pieces = new ArrayList<>();
    private int filled;

    /**
     * An empty batch.
     *
     * @param size how many tokens the batch takes
     */
    Pack(int size) {
        this.size = size;
    }

    void add(Piece piece) {
        pieces.add(piece);
        filled += piece.count();
    }

    /** How many more tokens fit. */
    int room() {
        return size - filled;
    }

    int sequences() {
        return pieces.size();
    }

    /** How many sequences of at most T tokens the unused rest is divided into. */
    int restSequences(int T) {
        return (room() + T - 1) / T;
    }

    long targets() {
        return pieces.stream().mapToLong(Piece::targets).sum();
    }

    /** Reads the tokens and gives the batch. The unused rest becomes sequences of zeros without targets. */
    PackedBatch read(TokenSequence tokens, int T) {
        int[] inputs = new int[size];
        int[] targets = new int[size];
        Arrays.fill(targets, PackedBatch.NO_TARGET);
        int[] positions = new int[size];
        int[] cumulative = new int[pieces.size() + restSequences(T) + 1];
        int[] ids = ids(tokens);
        int maxLength = 0;
        int at = 0;
        for (int sequence = 0; sequence + 1 < cumulative.length; sequence++) {
            int count = Math.min(T, size - at);
            if (sequence < pieces.size()) {
                Piece piece = pieces.get(sequence);
                count = piece.count();
                System.arraycopy(ids, at + sequence, inputs, at, count);
                System.arraycopy(ids, at + sequence + 1, targets, at, piece.targets());
            }
            for (int i = 0; i < count; i++) {
                positions[at + i] = i;
            }
            at += count;
            cumulative[sequence + 1] = at;
            maxLength = Math.max(maxLength, count);
        }
        return new PackedBatch(inputs, targets, positions, cumulative, maxLength);
    }

    /** The tokens of each piece, and a place for the one after them, which is read where it is a target. */
    private int[] ids(TokenSequence tokens) {
        int[] ids = new int[filled + pieces.size()];
        List<TokenSequence.Slice> slices = new ArrayList<>(pieces.size());
        int at = 0;
        for (Piece piece : pieces) {
            slices.add(new TokenSequence.Slice(piece.start(), Math.max(piece.count(), piece.targets() + 1), at));
            at += piece.count() + 1;
        }
        tokens.copyAll(slices, ids);
        return ids;
    }
}
