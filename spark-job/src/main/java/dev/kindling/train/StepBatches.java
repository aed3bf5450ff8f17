package dev.kindling.train;

import dev.kindling.data.batch.Batch;
import dev.kindling.data.batch.MicroBatch;
import dev.kindling.data.batch.PackedBatch;
import dev.kindling.exchange.RankShare;
import dev.kindling.nn.Gpt;
import java.util.List;

/**
 * A rank's part of a step's global batch.
 *
 * @param microBatches the micro-batches that this rank computes
 * @param own the number of targets in those
 * @param targets the number of targets in the micro-batches of all ranks, over which the loss is a mean
 * @param sequences the number of sequences in the micro-batches of all ranks
 */
public record StepBatches(List<? extends MicroBatch> microBatches, long own, long targets, long sequences) {

    /** Windows: every row has a target. */
    public static StepBatches windows(List<Batch> batches, RankShare share) {
        Batch any = batches.get(0);
        long rows = (long) any.B() * any.T();
        return new StepBatches(
                batches, batches.size() * rows, share.microBatches() * rows, (long) share.microBatches() * any.B());
    }

    /** Uploads a micro-batch to a model of its shape. */
    static void load(Gpt gpt, MicroBatch batch) {
        if (batch instanceof PackedBatch packed) {
            gpt.loadPacked(packed.inputs(), packed.targets(), packed.positions(), packed.cumulativeLengths());
        } else {
            gpt.load(batch.inputs(), batch.targets());
        }
    }
}
