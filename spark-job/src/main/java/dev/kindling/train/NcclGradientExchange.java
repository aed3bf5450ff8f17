package dev.kindling.train;

import dev.kindling.device.cuda.NcclCommunicator;
import dev.kindling.nn.Parameters;
import dev.kindling.nn.Parameters.Range;

/** Sums from GPU to GPU, bucket after bucket beside the backward pass. */
final class NcclGradientExchange implements GradientExchange {
    private final NcclCommunicator communicator;
    private final Parameters parameters;

    NcclGradientExchange(NcclCommunicator communicator, Parameters parameters) {
        this.communicator = communicator;
        this.parameters = parameters;
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
    public void bucketReady(int index) {
        Range bucket = parameters.buckets().get(index);
        communicator.allReduce(parameters.gradients().slice(0, bucket.offset(), bucket.length()));
    }

    @Override
    public void finish() {
        communicator.join();
    }
}
