package dev.kindling.nn.parameter;

import dev.kindling.device.Ops;
import dev.kindling.nn.parameter.Parameters.Range;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The part of the weights that one rank updates. It alone keeps their F32 originals and their optimizer state (ZeRO
 * stage 1: Rajbhandari et al., arXiv:1910.02054).
 *
 * @param cut how the weights are divided between the ranks
 * @param ranks world size; a single rank updates all weights
 * @param copies of how many ranks after this one it updates and keeps the part as well, to the same bits, in case they are
 *     lost
 */
public record OptimizerShard(Cut cut, int rank, int ranks, int copies) {
    /** How the flat buffers are divided. */
    public enum Cut {
        /**
         * One range per rank. All ranges have the same length, a multiple of {@link Ops#BLOCK}, except the last one,
         * which takes what is left. All weights that do not decay are in that one, so that computing slice by slice
         * gives the bits of one pass.
         */
        SLICES,
        /**
         * One piece of each bucket per rank. Buckets are padded, so that all pieces of a bucket have the same length.
         */
        BUCKETS
    }

    /** One rank that updates all weights. */
    public static final OptimizerShard WHOLE = new OptimizerShard(Cut.SLICES, 0, 1);
    /**
     * The length of a piece is a multiple of this, so that vector loads in kernels and in NCCL are aligned for every
     * type.
     */
    private static final int PIECE = 64;

    /** Without copies. */
    public OptimizerShard(Cut cut, int rank, int ranks) {
        this(cut, rank, ranks, 0);
    }

    /** The ranks whose parts this one keeps, its own first. */
    public List<Integer> kept() {
        return IntStream.rangeClosed(0, Math.min(copies, ranks - 1))
                .map(next -> (rank + next) % ranks)
                .boxed()
                .toList();
    }

    /** What this rank updates of {@code of}. */
    KeptRanges keptRanges(Parameters of) {
        return new KeptRanges(
                kept().stream().flatMap(part -> ranges(part, of).stream()).toList());
    }

    /** The length of a bucket is a multiple of this many elements. */
    int bucketMultiple() {
        return cut == Cut.BUCKETS ? ranks * PIECE : 1;
    }

    /** The ranges that a rank updates, ascending. */
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
