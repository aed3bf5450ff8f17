package dev.kindling.nn;

import dev.kindling.device.Dropout;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Ops;
import dev.kindling.device.ResidualLayerNorm;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Tensor;

/**
 * Adds the pending {@link Branch} to the residual stream and normalises the sum: residual += dropout(branch + bias); y
 * = layernorm(residual). Backward adds this layernorm's gradient to that of the residual stream and leaves the gradient
 * of the branch in {@link #dBranch}.
 */
final class LayerNorm {
    private final Ops ops;
    private final boolean rounded;
    private final ResidualLayerNorm op;
    private final ResidualLayerNorm withoutBranch;
    private final ResidualLayerNorm.Gradients gradients;
    private final Tensor dBranch;

    /** Where a layernorm is. */
    enum Place {
        /** The first of a block: the sum that it makes is what the block is computed again from. */
        BLOCK_INPUT,
        WITHIN_BLOCK,
        /** The model's last, from which the gradient of the residual stream starts. */
        LAST
    }

    /**
     * Builds the layernorm.
     *
     * @param branch added to the residual stream first, or null
     */
    LayerNorm(BlockContext context, String name, Tensor residual, Branch branch, Place place) {
        ops = context.ops();
        rounded = place == Place.LAST ? context.fp8Head() : context.fp8() != null;
        Workspace workspace = context.workspace();
        Parameters parameters = context.parameters();
        int width = context.config().width();
        Tensor sum = sum(workspace, name, residual, branch, place);
        op = new ResidualLayerNorm(
                residual,
                branch == null ? null : branch.values(),
                branch == null ? null : branch.bias(),
                branch == null ? Dropout.NONE : branch.dropout(),
                sum,
                parameters.weight(name + ".weight"),
                parameters.weight(name + ".bias"),
                rounded ? null : workspace.norm(name, width),
                workspace.keptFloats(name, "mean"),
                workspace.keptFloats(name, "rstd"));
        withoutBranch = new ResidualLayerNorm(
                sum, null, null, Dropout.NONE, sum, op.weight(), op.bias(), op.y(), op.mean(), op.rstd());
        if (!workspace.training()) {
            gradients = null;
            dBranch = null;
            return;
        }
        Tensor dResidual = workspace.shared("gradient of residual", width);
        boolean masked = branch != null && branch.dropout().active();
        dBranch = masked ? workspace.shared("gradient of branch", width) : dResidual;
        gradients = new ResidualLayerNorm.Gradients(
                workspace.shared("gradient of norm", width),
                dResidual,
                place != Place.LAST,
                masked ? dBranch : null,
                parameters.gradient(name + ".weight"),
                parameters.gradient(name + ".bias"),
                branch == null ? null : branch.dBias());
    }

    /** Where the sum goes: to memory of its own for backward, or where there is none, back to the stream. */
    private static Tensor sum(Workspace workspace, String name, Tensor residual, Branch branch, Place place) {
        if (branch == null || !workspace.training()) {
            return residual;
        }
        long width = residual.size(-1);
        return place == Place.WITHIN_BLOCK
                ? workspace.kept(name, "residual", width)
                : workspace.input(name, "residual", width);
    }

    /** @param output where the normalised sum goes in FP8, where what follows is in FP8; otherwise null */
    void forward(Fp8Matrix output) {
        run(op, output);
    }

    /** Normalises {@link #residual} again, as {@link #forward} did; adds nothing to it. */
    void recompute(Fp8Matrix output) {
        run(withoutBranch, output);
    }

    private void run(ResidualLayerNorm op, Fp8Matrix output) {
        if (rounded) {
            ops.fp8().residualLayerNorm(op, output);
        } else {
            ops.residualLayerNorm(op);
        }
    }

    void backward() {
        ops.residualLayerNormBackward(op, gradients);
    }

    /** The residual stream after the addition, (rows, C). */
    Tensor residual() {
        return op.residualOut();
    }

    /** The normalised sum, (rows, C); null where it is in FP8. */
    Tensor output() {
        return op.y();
    }

    /** Where the gradient of {@link #output} is expected, (rows, C). */
    Tensor dOutput() {
        return gradients.dy();
    }

    /** The gradient of the residual stream below this layernorm, (rows, C). */
    Tensor dResidual() {
        return gradients.dResidual();
    }

    /** The gradient of the branch that was added, (rows, C); valid until the next layernorm's backward. */
    Tensor dBranch() {
        return dBranch;
    }
}
