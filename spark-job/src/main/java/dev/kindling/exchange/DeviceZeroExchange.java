package dev.kindling.exchange;

import dev.kindling.allreduce.Rounding;
import dev.kindling.device.Device;
import dev.kindling.device.cuda.collective.Collectives;
import dev.kindling.device.cuda.collective.Collectives.Beside;
import dev.kindling.model.FlatTarget;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Tensor;
import java.util.List;
import java.util.Optional;

/**
 * ZeRO from GPU to GPU: each bucket's gradients are reduce-scattered beside the backward pass of the blocks below,
 * and its updated weights all-gathered beside the updates of the buckets that follow. Every rank owns a piece of each
 * bucket ({@link dev.kindling.nn.parameter.OptimizerShard.Cut#BUCKETS}).
 */
final class DeviceZeroExchange extends DeviceExchange implements ZeroExchange {
    private final Device device;
    private final Parameters parameters;

    DeviceZeroExchange(Collectives collectives, Device device, Parameters parameters, StepLosses losses) {
        super(collectives, losses);
        this.device = device;
        this.parameters = parameters;
        collectives.share(parameters.gradients());
        collectives.share(parameters.working());
    }

    @Override
    public void bucketReady(int bucket, Rounding rounding) {
        if (rounding != Rounding.NONE) {
            throw new IllegalStateException(
                    "cluster.compression is bf16, which does not go from GPU to GPU with train.zero 1");
        }
        Tensor sums = bucket(parameters.gradients(), bucket);
        Beside beside = beside(bucket, parameters.buckets().size());
        if (parameters.keepsCopies()) {
            collectives.allReduce(sums, beside);
        } else {
            collectives.reduceScatter(sums, beside);
        }
    }

    @Override
    public void clip(GradientClip clip, Tensor gradients) {
        List<Tensor> pieces =
                parameters.own().stream().map(range -> part(gradients, range)).toList();
        collectives.gradientNorm(pieces, clip.maxNorm());
    }

    @Override
    public void updated(int range) {
        if (range < parameters.own().size()) { // else of a copy, whose own rank sends it
            collectives.allGather(bucket(parameters.working(), range));
        }
    }

    @Override
    public void shareWeights() {
        collectives.join();
    }

    @Override
    public void collect(Tensor own, Optional<FlatTarget> target) {
        for (int i = 0; i < parameters.own().size(); i++) {
            Range range = parameters.own().get(i);
            Range bucket = parameters.buckets().get(i);
            Tensor gathered = parameters.gradientBuffer().accumulator(bucket); // F32, whatever the sums are
            Tensor piece = gathered.slice(0, range.offset() - bucket.offset(), range.length());
            device.ops().copy(own.slice(0, parameters.kept().offset(range), range.length()), piece);
            collectives.gather(gathered);
            collectives.join();
            target.ifPresent(it -> it.take(device, bucket.offset(), gathered));
        }
    }

    private Tensor bucket(Tensor flat, int index) {
        return part(flat, parameters.buckets().get(index));
    }

    private static Tensor part(Tensor flat, Range range) {
        return flat.slice(0, range.offset(), range.length());
    }
}
