package dev.kindling.nn;

import dev.kindling.device.Ops;
import dev.kindling.nn.Parameters.Range;
import java.util.List;

/**
 * Which weights of a group of ranks one rank updates: it alone keeps their F32 originals and their optimizer state (ZeRO
 * stage 1: Rajbhandari et al., arXiv:1910.02054).
 *
 * @param ranks of the group; one rank updates all weights
 */
public record OptimizerShard(Cut cut, int rank, int ranks) {
    /** How the flat buffers are divided. */
    public enum Cut {
        /**
         * One range a rank: all of the same length, a multiple of {@link Ops#BLOCK}, but the last one, which takes what is
         * left. All weights that do not decay are in that one, so that what is computed slice by slice has the bits of one
         * pass.
         */
        SLICES,
        /** A piece of each bucket: buckets are padded so that all pieces of one are of the same length. */
        BUCKETS
    }

    /** All weights, of one rank. */
    public static final OptimizerShard WHOLE = new OptimizerShard(Cut.SLICES, 0, 1);
    /** Pieces are multiples of it, so that loads of vectors, in kernels and in NCCL, are aligned in every type. */
    private static final int PIECE = 64;

    /** Buckets take a multiple of so many elements. */
    int bucketMultiple() {
        return cut == Cut.BUCKETS ? ranks * PIECE : 1;
    }

    /** What any of the ranks updates, ascending. */
    List<Range> ranges(int ofRank, Parameters of) {
        return cut == Cut.BUCKETS
                ? of.buckets().stream().map(bucket -> piece(bucket, ofRank)).toList()
                : List.of(slice(ofRank, of.count(), of.decaying().length()));
    }

    private Range piece(Range bucket, int ofRank) {
        long length = bucket.length() / ranks;
        return new Range(bucket.offset() + ofRank * length, length);
    }

    private Range slice(int ofRank, long count, long decaying) {
        long most = ranks == 1 ? count : Math.min(count / ranks, decaying / (ranks - 1));
        long length = most / Ops.BLOCK * Ops.BLOCK;
        long start = ofRank * length;
        return new Range(start, ofRank == ranks - 1 ? count - start : length);
    }
}
