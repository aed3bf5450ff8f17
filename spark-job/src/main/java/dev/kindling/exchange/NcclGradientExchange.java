package dev.kindling.exchange;

import dev.kindling.allreduce.Rounding;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.nccl.NcclCommunicator;
import dev.kindling.device.cuda.nccl.RankedSum;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Tensor;
import java.util.List;

/** Sums from GPU to GPU by NCCL: each bucket as soon as it is complete, beside the backward pass of the blocks below. */
final class NcclGradientExchange implements GradientExchange {
    private final NcclCommunicator communicator;
    private final StepLosses losses;
    private final List<Tensor> buckets;
    private final List<RankedSum> sums;

    private NcclGradientExchange(
            NcclCommunicator communicator, Parameters parameters, StepLosses losses, List<RankedSum> sums) {
        this.communicator = communicator;
        this.losses = losses;
        this.sums = sums;
        buckets = parameters.buckets().stream()
                .map(bucket -> parameters.gradients().slice(0, bucket.offset(), bucket.length()))
                .toList();
    }

    /** Gradients travel in F32 and NCCL sums them. */
    static NcclGradientExchange whole(NcclCommunicator communicator, Parameters parameters, StepLosses losses) {
        return new NcclGradientExchange(communicator, parameters, losses, List.of());
    }

    /** {@code cluster.compression: bf16}: gradients travel in bf16, with error feedback, and are summed in F32. */
    static NcclGradientExchange rounded(
            NcclCommunicator communicator, Parameters parameters, Gpt.DeviceArena memory, StepLosses losses) {
        long longest =
                parameters.buckets().stream().mapToLong(Range::length).max().orElseThrow();
        RankedSum.WireBuffers wire = new RankedSum.WireBuffers(communicator, memory.arena(), longest);
        List<RankedSum> sums = parameters.buckets().stream()
                .map(bucket -> new RankedSum(
                        communicator,
                        (CudaDevice) memory.device(),
                        memory.arena(),
                        wire,
                        parameters.gradients().slice(0, bucket.offset(), bucket.length())))
                .toList();
        return new NcclGradientExchange(communicator, parameters, losses, sums);
    }

    @Override
    public String transport() {
        return "nccl";
    }

    @Override
    public void lossesReady() {
        communicator.allReduce(losses.tensor());
    }

    @Override
    public void bucketReady(int bucket, Rounding rounding) {
        switch (rounding) {
            case NONE -> communicator.allReduce(buckets.get(bucket));
            case BF16 -> sums.get(bucket).rounded();
            case SETTLED -> sums.get(bucket).settled();
        }
    }

    @Override
    public void maximaReady(Tensor maxima) {
        communicator.maximum(maxima);
    }

    @Override
    public void joinDevice() {
        communicator.join();
    }

    @Override
    public void awaitDevice() {
        losses.read();
    }
}
