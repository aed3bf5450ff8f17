package dev.kindling.exchange;

import dev.kindling.allreduce.Rounding;
import dev.kindling.device.Device;
import dev.kindling.device.cuda.nccl.NcclCommunicator;
import dev.kindling.model.FlatTarget;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Tensor;
import java.util.List;
import java.util.Optional;

/**
 * ZeRO from GPU to GPU by NCCL: each bucket's gradients are reduce-scattered beside the backward pass of the blocks below,
 * and its updated weights all-gathered beside the updates of the buckets that follow. Every rank owns a piece of each
 * bucket ({@link dev.kindling.nn.parameter.OptimizerShard.Cut#BUCKETS}).
 */
final class NcclZeroExchange implements ZeroExchange {
    private final NcclCommunicator communicator;
    private final Device device;
    private final Parameters parameters;
    private final StepLosses losses;

    NcclZeroExchange(NcclCommunicator communicator, Device device, Parameters parameters, StepLosses losses) {
        this.communicator = communicator;
        this.device = device;
        this.parameters = parameters;
        this.losses = losses;
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
        if (rounding != Rounding.NONE) {
            throw new IllegalStateException("cluster.compression is bf16, which NCCL does not carry with train.zero 1");
        }
        Tensor gradients = parameters.gradients();
        communicator.reduceScatter(bucket(gradients, bucket), own(gradients, bucket));
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

    @Override
    public void clip(GradientClip clip, Tensor gradients) {
        List<Tensor> pieces =
                parameters.own().stream().map(range -> part(gradients, range)).toList();
        communicator.gradientNorm(pieces, clip.maxNorm());
    }

    @Override
    public void updated(int range) {
        Tensor working = parameters.working();
        communicator.allGather(own(working, range), bucket(working, range));
    }

    @Override
    public void shareWeights() {
        communicator.join();
    }

    @Override
    public void collect(Tensor own, Optional<FlatTarget> target) {
        for (int i = 0; i < parameters.own().size(); i++) {
            Range range = parameters.own().get(i);
            Range bucket = parameters.buckets().get(i);
            Tensor gathered = parameters.gradientBuffer().accumulator(bucket); // F32, whatever the sums are
            Tensor piece = gathered.slice(0, range.offset() - bucket.offset(), range.length());
            device.ops().copy(own.slice(0, parameters.ownOffset(range), range.length()), piece);
            communicator.allGather(piece, gathered);
            communicator.join();
            target.ifPresent(it -> it.take(device, bucket.offset(), gathered));
        }
    }

    private Tensor bucket(Tensor flat, int index) {
        return part(flat, parameters.buckets().get(index));
    }

    private Tensor own(Tensor flat, int index) {
        return part(flat, parameters.own().get(index));
    }

    private static Tensor part(Tensor flat, Range range) {
        return flat.slice(0, range.offset(), range.length());
    }
}
