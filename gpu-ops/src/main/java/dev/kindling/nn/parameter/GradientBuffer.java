package dev.kindling.nn.parameter;

import dev.kindling.device.Accumulation;
import dev.kindling.device.Device;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.List;

/**
 * The gradients of all weights over the micro-batches of a step, in F32 or BF16, and where the backward pass of one
 * micro-batch adds to them in F32. With F32 the two are the same. With BF16 a bucket's gradient is made in F32 of its own,
 * which the buckets of the blocks share, and then added to the sum (see {@link Accumulation}): 2 bytes a weight, and 4 for
 * each of one block's and of the last bucket's.
 */
public final class GradientBuffer {
    private final Device device;
    private final List<Range> buckets;
    private final Tensor sums;
    /** F32 of the bucket of a block, and of the last bucket; null where the sums are F32. */
    private final Tensor ofBlock;

    private final Tensor ofLast;
    private final Range summed;

    /**
     * Allocates them as zeros, which padding stays.
     *
     * @param buckets those of the blocks, equally long, then the last, whose gradients come from all layers
     * @param summed where in the last bucket those begin to which each backward pass adds several times or by rows: of all
     *     weights but the matrices of linear layers and the token table
     */
    GradientBuffer(Device device, Arena arena, List<Range> buckets, long summed, DType type) {
        this.device = device;
        this.buckets = List.copyOf(buckets);
        Range last = buckets.get(buckets.size() - 1);
        sums = arena.allocate("gradients", type, last.end());
        boolean apart = type != DType.F32;
        ofBlock = apart
                ? arena.allocate(
                        "a block's gradients", DType.F32, buckets.get(0).length())
                : null;
        ofLast = apart ? arena.allocate("the embeddings' gradients", DType.F32, last.length()) : null;
        this.summed = new Range(summed, last.end() - summed);
        device.ops().fill(sums, 0);
        if (apart) {
            device.ops().fill(ofBlock, 0);
            device.ops().fill(ofLast, 0);
        }
    }

    /** The sums over the micro-batches so far, (count) F32 or BF16. */
    Tensor sums() {
        return sums;
    }

    /** The F32 that holds a range of one bucket while a backward pass makes it: (length). Else it is free for other use. */
    public Tensor accumulator(Range range) {
        if (ofBlock == null) {
            return sums.slice(0, range.offset(), range.length());
        }
        Range last = buckets.get(buckets.size() - 1);
        if (range.offset() >= last.offset()) {
            return ofLast.slice(0, range.offset() - last.offset(), range.length());
        }
        long start = range.offset() % ofBlock.count(); // the blocks' buckets are equally long
        return ofBlock.slice(0, start, range.length());
    }

    /** The F32 of one weight's gradient, in its shape. */
    Tensor accumulator(Parameters.Entry entry) {
        Tensor flat = accumulator(new Range(entry.offset(), entry.shape().count()));
        return Tensor.dense(flat.buffer(), flat.offset(), entry.shape());
    }

    /**
     * Call before a backward pass. Only enqueues.
     *
     * @param accumulate whether the pass adds to the sums, or begins them
     * @return whether it adds to the gradients of matrices in the F32, or overwrites them; to all others it adds
     */
    public boolean begin(boolean accumulate) {
        if (!accumulate && ofBlock != null) {
            device.ops().fill(sums, 0);
        }
        if (!accumulate || ofBlock != null) {
            device.ops().fill(accumulator(summed), 0);
        }
        return accumulate && ofBlock == null;
    }

    /** Call when a backward pass has computed all of a bucket, whose sum is then complete. Only enqueues. */
    public void complete(int bucket) {
        if (ofBlock != null) {
            Range range = buckets.get(bucket);
            Tensor sum = sums.slice(0, range.offset(), range.length());
            device.ops().accumulate(new Accumulation(accumulator(range), sum, range.offset()));
        }
    }
}
