package dev.kindling.exchange;

import dev.kindling.allreduce.SumOrder;
import dev.kindling.device.Device;
import dev.kindling.nn.Parameters.Range;
import dev.kindling.tensor.Tensor;
import java.util.List;

/**
 * {@code train.reduction: rank}: a rank adds up its micro-batches in their order, as the backward pass does by itself, and
 * the ranks' sums are added in the order of the ranks.
 */
final class RunningGradientSum implements GradientSum {
    private final Device device;
    private final Tensor gradients;
    private final Tensor lossSum;
    private final int worldSize;

    RunningGradientSum(Device device, Tensor gradients, Tensor lossSum, int worldSize) {
        this.device = device;
        this.gradients = gradients;
        this.lossSum = lossSum;
        this.worldSize = worldSize;
    }

    @Override
    public SumOrder order() {
        return SumOrder.byRank(worldSize);
    }

    @Override
    public List<Tensor> operands() {
        return List.of(gradients);
    }

    @Override
    public void next(int microBatch) {}

    @Override
    public void complete(Range range) {}

    @Override
    public double lossSum() {
        float[] sum = new float[1];
        device.download(lossSum, sum);
        return sum[0];
    }
}
