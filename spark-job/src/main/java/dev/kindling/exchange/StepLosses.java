package dev.kindling.exchange;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.SumOrder;
import dev.kindling.device.Device;
import dev.kindling.nn.Gpt;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;

/**
 * The losses of all micro-batches of a step, on every rank: each rank has those of its own, and 0 for the others', so that
 * their sum over the ranks, which travels with the gradients, is exact in any order. What a lost rank had computed is not
 * lost with it then.
 */
public final class StepLosses {
    private final Device device;
    private final Tensor lossSum;
    private final RankShare share;
    /** (microBatches) F32; where a rank adds up its losses on the device, the sum is in the place of its first. */
    private final Tensor losses;

    private final float[] host;

    StepLosses(Gpt.DeviceArena memory, Tensor lossSum, RankShare share) {
        device = memory.device();
        this.lossSum = lossSum;
        this.share = share;
        losses = memory.arena().allocate("losses of micro-batches", DType.F32, share.microBatches());
        host = new float[share.microBatches()];
    }

    /** Enqueues what a step begins with. */
    public void clear() {
        device.ops().fill(losses, 0);
        device.ops().fill(lossSum, 0);
    }

    /** Enqueues: the loss that the model has added up is that of one of this rank's micro-batches, counted from 0. */
    void take(int microBatch) {
        device.ops()
                .copy(
                        lossSum,
                        Tensor.dense(losses.buffer(), losses.offset() + share.first() + microBatch, Shape.of(1)));
    }

    /** (microBatches) F32, for an exchange from device to device, which sums it in place. */
    Tensor tensor() {
        return losses;
    }

    /** Starts the exchange over the hosts. */
    void submit(AllReduce allReduce) {
        device.download(losses, host);
        allReduce.submit(SumOrder.byRank(allReduce.worldSize()), new float[][] {host}, 0, host.length);
    }

    /** Reads what an exchange from device to device has left; waits for the device. */
    void read() {
        device.download(losses, host);
    }

    /** The sum of the losses of each rank's tokens, once a step is over. */
    public double[] byRank() {
        if (share.worldSize() == 1) {
            read();
        }
        double[] sums = new double[share.worldSize()];
        for (int rank = 0; rank < sums.length; rank++) {
            int end = SumOrder.firstLeaf(share.microBatches(), rank + 1, share.worldSize());
            for (int i = SumOrder.firstLeaf(share.microBatches(), rank, share.worldSize()); i < end; i++) {
                sums[rank] += host[i];
            }
        }
        return sums;
    }
}
