package dev.kindling.exchange;

import dev.kindling.allreduce.Rounding;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.nccl.NcclCommunicator;
import dev.kindling.device.cuda.nccl.RankedSum;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.Parameters;
import dev.kindling.nn.Parameters.Range;
import dev.kindling.tensor.Tensor;
import java.util.List;

/** Sums from GPU to GPU, bucket after bucket beside the backward pass. */
public final class NcclGradientExchange implements GradientExchange {
    private final NcclCommunicator communicator;
    private final List<Tensor> buckets;
    private final List<RankedSum> sums;

    private NcclGradientExchange(NcclCommunicator communicator, Parameters parameters, List<RankedSum> sums) {
        this.communicator = communicator;
        this.sums = sums;
        buckets = parameters.buckets().stream()
                .map(bucket -> parameters.gradients().slice(0, bucket.offset(), bucket.length()))
                .toList();
    }

    /** In F32, summed by NCCL. */
    public static NcclGradientExchange whole(NcclCommunicator communicator, Parameters parameters) {
        return new NcclGradientExchange(communicator, parameters, List.of());
    }

    /** With {@code cluster.compression: bf16}. */
    public static NcclGradientExchange rounded(
            NcclCommunicator communicator, Parameters parameters, Gpt.DeviceMemory memory) {
        long longest =
                parameters.buckets().stream().mapToLong(Range::length).max().orElseThrow();
        RankedSum.Wire wire = new RankedSum.Wire(communicator, memory.arena(), longest);
        List<RankedSum> sums = parameters.buckets().stream()
                .map(bucket -> new RankedSum(
                        communicator,
                        (CudaDevice) memory.device(),
                        memory.arena(),
                        wire,
                        parameters.gradients().slice(0, bucket.offset(), bucket.length())))
                .toList();
        return new NcclGradientExchange(communicator, parameters, sums);
    }

    @Override
    public String name() {
        return "nccl";
    }

    @Override
    public boolean onDevice() {
        return true;
    }

    @Override
    public void bucketReady(int index, Rounding rounding) {
        switch (rounding) {
            case NONE -> communicator.allReduce(buckets.get(index));
            case BF16 -> sums.get(index).rounded();
            case SETTLED -> sums.get(index).settled();
        }
    }

    @Override
    public void finish(Rounding rounding) {
        communicator.join();
    }
}
