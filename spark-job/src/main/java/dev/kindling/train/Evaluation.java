package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.data.batch.MicroBatch;
import dev.kindling.data.batch.Prefetcher;
import dev.kindling.data.batch.ValidationSet;
import dev.kindling.device.Device;
import dev.kindling.nn.Gpt;

/**
 * The validation loss: the mean over all targets of all validation batches. Ranks take batches in turn, and the sums of all
 * batches are added in the order of the batches, so the loss does not depend on the number of ranks.
 */
final class Evaluation {
    private final Device device;
    private final Gpt gpt;
    private final ValidationSet batches;
    private final Prefetcher.Patience patience;

    /** @param gpt in inference mode, for batches of the same shape */
    Evaluation(Device device, Gpt gpt, ValidationSet batches, Prefetcher.Patience patience) {
        this.patience = patience;
        this.device = device;
        this.gpt = gpt;
        this.batches = batches;
    }

    /** In nats a token, the same on every rank; all ranks call it together. */
    double run(AllReduce allReduce, Runnable betweenBatches) {
        int rank = allReduce.rank();
        int worldSize = allReduce.worldSize();
        double[] mine = new double[(batches.count() - rank + worldSize - 1) / worldSize];
        float[] sum = new float[1];
        try (Prefetcher<MicroBatch> drawn = new Prefetcher<>(
                i -> batches.batch(Math.toIntExact(rank + i * worldSize)),
                0,
                mine.length,
                BatchSource.AHEAD,
                patience)) {
            for (int i = 0; i < mine.length; i++) {
                StepBatches.load(gpt, drawn.next());
                device.ops().fill(gpt.lossSum(), 0);
                gpt.forward();
                gpt.evaluate();
                device.download(gpt.lossSum(), sum);
                mine[i] = sum[0];
                betweenBatches.run();
            }
        }
        double[][] all = allReduce.allGather(mine);
        double total = 0;
        for (int i = 0; i < batches.count(); i++) {
            total += all[i % worldSize][i / worldSize];
        }
        return total / batches.targets();
    }
}
