package dev.kindling.train;

import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;

/**
 * What rank 0 hands back when training is done.
 *
 * @param steps the steps done, fewer than train.max_steps where train.patience has ended the run
 * @param ended whether training is over; not where it ends here for more ranks to go on
 * @param bestValLoss the lowest validation loss of the run, in nats a token
 * @param bestStep the step at which it was measured; 0 where that is not known
 * @param device what rank 0 ran on
 * @param peakBytes the most memory of it that was allocated at once, without the copy for checkpoints
 * @param attention the backends that really ran
 * @param allreduce the transport that really ran
 * @param paddingSaved the share of rows that would be padding if each packed sequence were padded to block_size, over
 *     the last generation; null without packing
 * @param joulesPerThousandTokens the energy that rank 0's device drew for a thousand tokens of its own, over the last
 *     generation without evaluation and checkpoints; null where the device has no counter of it
 * @param sample text that the trained model wrote
 */
public record TrainResult(
        long steps,
        boolean ended,
        double bestValLoss,
        long bestStep,
        String device,
        long peakBytes,
        String attention,
        String allreduce,
        @JsonSetter(nulls = Nulls.SET) Double paddingSaved,
        @JsonSetter(nulls = Nulls.SET) Double joulesPerThousandTokens,
        String sample) {}
