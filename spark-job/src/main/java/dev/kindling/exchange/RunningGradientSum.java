package dev.kindling.exchange;

import dev.kindling.allreduce.SumOrder;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Tensor;
import java.util.List;

/**
 * {@code train.reduction: rank}: a rank adds up its micro-batches in their order, as the backward pass does by itself, and
 * the ranks' sums are added in the order of the ranks.
 */
final class RunningGradientSum implements GradientSum {
    private final Tensor gradients;
    private final StepLosses losses;
    private final int worldSize;

    RunningGradientSum(Tensor gradients, StepLosses losses, int worldSize) {
        this.gradients = gradients;
        this.losses = losses;
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
    public boolean accumulates(int microBatch) {
        return microBatch > 0;
    }

    @Override
    public void next(int microBatch) {}

    @Override
    public void complete(Range range) {}

    /** The model has added them up. */
    @Override
    public void completeLosses() {
        losses.take(0);
    }

    @Override
    public StepLosses losses() {
        return losses;
    }
}
