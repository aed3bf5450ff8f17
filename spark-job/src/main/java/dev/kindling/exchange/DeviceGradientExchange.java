package dev.kindling.exchange;

import dev.kindling.allreduce.Rounding;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.collective.Collectives;
import dev.kindling.device.cuda.nccl.NcclCommunicator;
import dev.kindling.device.cuda.nccl.RankedSum;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Tensor;
import java.util.List;

/** Sums from GPU to GPU: each bucket as soon as it is complete, beside the backward pass of the blocks below. */
final class DeviceGradientExchange extends DeviceExchange {
    private final List<Tensor> buckets;
    private final List<RankedSum> sums;

    private DeviceGradientExchange(
            Collectives collectives, Parameters parameters, StepLosses losses, List<RankedSum> sums) {
        super(collectives, losses);
        this.sums = sums;
        buckets = parameters.buckets().stream()
                .map(bucket -> parameters.gradients().slice(0, bucket.offset(), bucket.length()))
                .toList();
    }

    /** Gradients travel in F32. */
    static DeviceGradientExchange whole(Collectives collectives, Parameters parameters, StepLosses losses) {
        collectives.share(parameters.gradients());
        return new DeviceGradientExchange(collectives, parameters, losses, List.of());
    }

    /** {@code cluster.compression: bf16}: gradients travel in bf16, with error feedback, and are summed in F32. */
    static DeviceGradientExchange rounded(
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
        return new DeviceGradientExchange(communicator, parameters, losses, sums);
    }

    @Override
    public void bucketReady(int bucket, Rounding rounding) {
        switch (rounding) {
            case NONE -> collectives.allReduce(buckets.get(bucket), beside(bucket, buckets.size()));
            case BF16 -> sums.get(bucket).rounded();
            case SETTLED -> sums.get(bucket).settled();
        }
    }
}
