package dev.kindling.exchange;

import dev.kindling.allreduce.SumOrder;
import dev.kindling.device.Device;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * {@code train.reduction: tree}: the micro-batches of a step are the leaves of a binary tree, and gradients are added along
 * its branches. The tree depends on the number of micro-batches alone, so every number of ranks gives the same bits.
 *
 * <p>The gradient of each micro-batch is computed by itself and then added to its neighbours as the tree says. Sums of subtrees
 * that still wait for their neighbours form a stack: the newest is in the gradients' own tensor, the older ones are in
 * buffers of the same size, at most log2 of the rank's micro-batches (rounded up), and a few more where the rank's
 * micro-batches are not one subtree.
 *
 * <p>Losses are kept as a float for each micro-batch and added in double, which is exact unless they differ by a factor of
 * millions.
 */
final class TreeGradientSum implements GradientSum {
    private final Device device;
    private final Tensor gradients;
    private final Tensor lossSum;
    private final SumOrder order;
    private final int[] joins;
    private final List<Tensor> older = new ArrayList<>();
    private final StepLosses losses;
    /** After each micro-batch, before it is added to its neighbours: the number of older sums on the stack. */
    private final int[] held;

    TreeGradientSum(Gpt.DeviceArena memory, Tensor gradients, Tensor lossSum, StepLosses losses, RankShare share) {
        device = memory.device();
        Arena arena = memory.arena();
        this.gradients = gradients;
        this.lossSum = lossSum;
        order = SumOrder.tree(share.microBatches(), share.worldSize());
        joins = SumOrder.joinsWithin(share.microBatches(), share.first(), share.first() + share.count());
        this.losses = losses;
        held = new int[joins.length];
        for (int i = 1; i < joins.length; i++) {
            held[i] = held[i - 1] - joins[i - 1] + 1;
        }
        for (int i = 0; i < Arrays.stream(held).max().orElseThrow(); i++) {
            older.add(arena.allocate("older gradients " + i, DType.F32, gradients.count()));
        }
    }

    @Override
    public SumOrder order() {
        return order;
    }

    @Override
    public List<Tensor> operands() {
        int last = joins.length - 1;
        List<Tensor> operands = new ArrayList<>(older.subList(0, held[last] - joins[last]));
        operands.add(gradients);
        return operands;
    }

    @Override
    public boolean accumulates(int microBatch) {
        return false;
    }

    @Override
    public void next(int microBatch) {
        losses.take(microBatch);
        join(microBatch, new Range(0, gradients.count()));
        device.ops().copy(gradients, older.get(held[microBatch] - joins[microBatch]));
        device.ops().fill(lossSum, 0);
    }

    private void join(int microBatch, Range range) {
        for (int i = 1; i <= joins[microBatch]; i++) {
            device.ops().add(part(older.get(held[microBatch] - i), range), part(gradients, range));
        }
    }

    @Override
    public void complete(Range range) {
        join(joins.length - 1, range);
    }

    private static Tensor part(Tensor flat, Range range) {
        return Tensor.dense(flat.buffer(), flat.offset() + range.offset(), Shape.of(range.length()));
    }

    @Override
    public void completeLosses() {
        losses.take(joins.length - 1);
    }

    @Override
    public StepLosses losses() {
        return losses;
    }
}
