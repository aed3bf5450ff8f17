package dev.kindling.model;

import java.nio.FloatBuffer;
import java.util.List;

/**
 * Weights and AdamW's moments of a whole model as they were between two steps.
 *
 * @param weights (count) F32
 * @param first moments, (count) F32
 * @param second moments, (count) F32
 */
public record Snapshot(FlatValues weights, FlatValues first, FlatValues second) implements AutoCloseable {
    /** Bytes for each weight. */
    public static final int WEIGHT_BYTES = 3 * Float.BYTES;

    /** Floats that are copied at a time. */
    private static final int PIECE = 1 << 22;

    /** A snapshot of unspecified content in the host's memory; its values are {@link HostFloats}. */
    public static Snapshot onHost(long count) {
        return new Snapshot(new HostFloats(count), new HostFloats(count), new HostFloats(count));
    }

    /** The flat buffers. */
    public List<FlatValues> all() {
        return List.of(weights, first, second);
    }

    /** A copy of {@code count} weights and their moments in the host's memory. */
    public Snapshot toHost(long count) {
        Snapshot copy = onHost(count);
        try {
            FloatBuffer piece = FloatBuffer.allocate((int) Math.min(PIECE, count));
            for (int i = 0; i < all().size(); i++) {
                for (long at = 0; at < count; at += PIECE) {
                    piece.clear().limit((int) Math.min(PIECE, count - at));
                    all().get(i).read(at, piece);
                    ((FlatTarget) copy.all().get(i)).take(at, piece);
                }
            }
            return copy;
        } catch (RuntimeException | Error e) {
            copy.close();
            throw e;
        }
    }

    @Override
    public void close() {
        all().forEach(FlatValues::close);
    }
}
