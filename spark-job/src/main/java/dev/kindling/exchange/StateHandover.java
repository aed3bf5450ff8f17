package dev.kindling.exchange;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.device.Device;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.util.List;

/**
 * Brings weights and moments after a finished step from the ranks that hold them to the others, over the hosts, also where
 * gradients go by NCCL: piece by piece, of which each holder sends its share, so that no heap holds more than a piece. All
 * ranks call it together. Used by the training thread.
 */
public final class StateHandover {
    /** Floats of a piece: 4 MiB. */
    private static final int PIECE = 1 << 20;

    private final AllReduce allReduce;
    private final Device device;

    public StateHandover(AllReduce allReduce, Device device) {
        this.allReduce = allReduce;
        this.device = device;
    }

    /**
     * Hands over a dense tensor of floats, which the holders have and the other ranks receive.
     *
     * @param holders one or more ranks, ascending
     * @param into of this rank, of the same count: the tensor, and its rounded copies; the holders' are read, not written
     */
    public void run(List<Integer> holders, List<Tensor> into) {
        Tensor whole = into.get(0);
        boolean holds = holders.contains(allReduce.rank());
        for (long at = 0; at < whole.count(); at += PIECE) {
            Range range = new Range(at, Math.min(PIECE, whole.count() - at));
            float[] piece = gathered(whole, range, holders);
            for (Tensor tensor : holds ? List.<Tensor>of() : into) {
                device.upload(piece, tensor.slice(0, range.offset(), range.length()));
            }
        }
    }

    /** A range of a tensor of the holders, on every rank. */
    private float[] gathered(Tensor whole, Range range, List<Integer> holders) {
        int length = Math.toIntExact(range.length());
        int[] bounds = bounds(length, holders);
        int rank = allReduce.rank();
        float[] piece = new float[length];
        int own = bounds[rank + 1] - bounds[rank];
        if (own > 0) {
            device.download(
                    whole.slice(0, range.offset() + bounds[rank], own), FloatBuffer.wrap(piece, bounds[rank], own));
        }
        allReduce.allGather(piece, bounds);
        return piece;
    }

    /** Even shares for the holders, none for the others. */
    private int[] bounds(int length, List<Integer> holders) {
        int[] bounds = new int[allReduce.worldSize() + 1];
        int upTo = 0;
        for (int rank = 0; rank < allReduce.worldSize(); rank++) {
            upTo += holders.contains(rank) ? 1 : 0;
            bounds[rank + 1] = (int) ((long) length * upTo / holders.size());
        }
        return bounds;
    }
}
