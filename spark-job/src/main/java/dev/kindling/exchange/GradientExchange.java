package dev.kindling.exchange;

import dev.kindling.allreduce.Rounding;
import dev.kindling.config.ClusterSection.Compression;
import dev.kindling.device.cuda.nccl.NcclCommunicator;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Tensor;

/**
 * What the ranks exchange in a step: their gradients and losses, which become the sums over all ranks in place, and with
 * ZeRO the updated weights. A step calls {@link #lossesReady} and {@link #bucketReady} for each bucket during the backward
 * pass, then {@link #joinDevice}, {@link #awaitHost}, {@link #clip}, {@link #awaitDevice}, {@link #updated} for each range
 * {@link #shareWeights} and {@link #awaitWeights}.
 *
 * <p>Implementations go over host memory or from GPU to GPU, with the whole optimizer on every rank or with
 * {@link ZeroExchange ZeRO}. Used by the training thread alone.
 */
public interface GradientExchange {
    /**
     * The exchange without ZeRO: all ranks get all sums.
     *
     * @param sum of this rank's micro-batches
     */
    static GradientExchange of(
            RankLinks ranks, Gpt.DeviceArena memory, Parameters parameters, GradientSum sum, Compression compression) {
        if (ranks.gpus().isEmpty()) {
            return new HostGradientExchange(
                    ranks.allReduce(),
                    memory,
                    parameters,
                    sum,
                    GradientResidual.of(compression, ranks, memory, parameters));
        }
        return compression == Compression.BF16
                ? DeviceGradientExchange.rounded(
                        (NcclCommunicator) ranks.gpus().get(), parameters, memory, sum.losses())
                : DeviceGradientExchange.whole(ranks.gpus().get(), parameters, sum.losses());
    }

    /** What carries the gradients: driver, ring, nccl or peer; single where there is one rank. */
    String transport();

    /** The losses of this rank are complete, or will be, as with {@link #bucketReady}, before which this is called. */
    void lossesReady();

    /**
     * The gradient of one of {@link Parameters#buckets} is complete on this rank, or will be when the work that is enqueued
     * on the device is done. Only enqueues, so that it can be captured.
     *
     * @param rounding of this step, the same for all its buckets
     */
    void bucketReady(int bucket, Rounding rounding);

    /**
     * The maxima of this rank's FP8 tensors are complete, as with {@link #bucketReady}: they become the largest over all
     * ranks.
     */
    void maximaReady(Tensor maxima);

    /**
     * All buckets are ready: device work that is enqueued after this call sees the sums, where they are made from device to
     * device. Only enqueues, so that it is captured with the backward pass. Nothing to do where sums are made on the hosts.
     */
    default void joinDevice() {}

    /**
     * Returns when the gradients are the sums, where these are made on the hosts: waits for the other ranks. Nothing to do
     * where sums are made from device to device. Never captured.
     */
    default void awaitHost(Rounding rounding) {}

    /**
     * Returns when sums that are made from device to device are there, so that no rank begins its update before all have
     * done their part: what is updated is then a step that is finished. Nothing to do where sums are made on the hosts.
     */
    default void awaitDevice() {}

    /** How long the last step waited for other ranks on the host, in nanoseconds; 0 where nothing is summed there. */
    default long waitedNanos() {
        return 0;
    }

    /** Finds the norm of the gradients of all weights and from it the step's clip scale, the same on every rank. */
    default void clip(GradientClip clip, Tensor gradients) {
        clip.apply(gradients);
    }

    /** The update of one of {@link Parameters#own} is enqueued; with ZeRO its weights can travel to the other ranks. */
    default void updated(int range) {}

    /** All updates are enqueued: with ZeRO from device to device, the weights of all ranks will be here. Only enqueues. */
    default void shareWeights() {}

    /** With ZeRO over the hosts, returns when the weights of all ranks are here. Never captured. */
    default void awaitWeights() {}

    /** Whether clip, update and sharing only enqueue work on the device, so that they can be captured. */
    default boolean updatesOnDevice() {
        return true;
    }
}
