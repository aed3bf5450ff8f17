package dev.kindling.exchange;

import dev.kindling.allreduce.SumOrder;
import dev.kindling.config.TrainSection.Reduction;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.Parameters.Range;
import dev.kindling.tensor.Tensor;
import java.util.List;

/**
 * How the gradients of a rank's micro-batches become its operands of the sum over all ranks. Backward adds each
 * micro-batch's gradient to the parameters' gradients, which are 0 at the start of a step.
 */
public interface GradientSum {
    /**
     * The sum that {@code train.reduction} says.
     *
     * @param lossSum the model's, which backward adds to
     */
    static GradientSum of(
            Reduction reduction, Gpt.DeviceMemory memory, Tensor gradients, Tensor lossSum, RankShare share) {
        return switch (reduction) {
            case RANK -> new RunningGradientSum(memory.device(), gradients, lossSum, share.worldSize());
            case TREE -> new TreeGradientSum(memory, gradients, lossSum, share);
        };
    }

    /** Of the sum over all ranks. */
    SumOrder order();

    /** This rank's operands of a step's sum, complete after its last micro-batch. The last are the gradients. */
    List<Tensor> operands();

    /** After backward of any micro-batch but the rank's last. */
    void next(int microBatch);

    /** In backward of the rank's last micro-batch: a range of the flat gradients is complete. Only enqueues. */
    void complete(Range range);

    /** The sum of the rank's losses in a step. */
    double lossSum();
}
