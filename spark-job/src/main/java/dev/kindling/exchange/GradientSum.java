package dev.kindling.exchange;

import dev.kindling.allreduce.SumOrder;
import dev.kindling.config.TrainSection.Reduction;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Tensor;
import java.util.List;

/**
 * How the gradients of a rank's micro-batches are summed, before they are summed over all ranks. The backward pass writes the
 * gradient of each micro-batch to the parameters' gradients, or adds it to them. What a rank then gives to the sum over all
 * ranks are its operands: one tensor, or several where the order of the sum asks for it.
 */
public interface GradientSum {
    /**
     * The sum in the order of {@code train.reduction}.
     *
     * @param lossSum the model's, to which the backward pass adds
     */
    static GradientSum of(
            Reduction reduction, Gpt.DeviceArena memory, Tensor gradients, Tensor lossSum, RankShare share) {
        StepLosses losses = new StepLosses(memory, lossSum, share);
        return switch (reduction) {
            case RANK -> new RunningGradientSum(gradients, losses, share.worldSize());
            case TREE -> new TreeGradientSum(memory, gradients, lossSum, losses, share);
        };
    }

    /** The order of the sum over all ranks. */
    SumOrder order();

    /** This rank's operands of the sum over all ranks, (count) F32 each; the last one is the gradients' own tensor. */
    List<Tensor> operands();

    /** Whether the backward pass of a micro-batch adds to the gradients, see {@link Gpt#backward}, or overwrites them. */
    boolean accumulates(int microBatch);

    /** Called after the backward pass of each micro-batch but the rank's last. */
    void next(int microBatch);

    /**
     * Called during the backward pass of the rank's last micro-batch, when a range of the flat gradients has all of it: the
     * operands are then complete in that range. Only enqueues work on the device.
     */
    void complete(Range range);

    /** Called in the backward pass of the rank's last micro-batch, before the first range is complete. Only enqueues. */
    void completeLosses();

    /** The losses of the step. */
    StepLosses losses();
}
