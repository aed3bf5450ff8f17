package dev.kindling.nn;

import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Tensor;

/**
 * A pre-norm transformer block: r += attention(layernorm(r)); r += mlp(layernorm(r)), with r the residual stream (rows,
 * C). The second addition is left pending, as a {@link Branch}; the next layernorm does it together with its own work.
 */
final class Block {
    private final LayerNorm norm1;
    private final SelfAttention attention;
    private final LayerNorm norm2;
    private final FeedForward mlp;
    private final Branch attentionBranch;
    private final Branch mlpBranch;

    /**
     * Builds the block on top of another.
     *
     * @param residual the residual stream below, (rows, C)
     * @param pending the branch of the block below that has not been added yet, or null for the first block
     */
    Block(BlockContext context, int layer, Tensor residual, Branch pending) {
        int site = 3 * layer + 1;
        int width = context.config().width();
        norm1 = new LayerNorm(context, Parameters.block(layer, "ln_1"), residual, pending, LayerNorm.Place.BLOCK_INPUT);
        String name = Parameters.block(layer, "attn");
        attention = context.cache() == null
                ? new CausalSelfAttention(context, name, site)
                : new CachedSelfAttention(context, name, layer);
        attentionBranch = Branch.of(
                context,
                context.workspace().shared("attention branch", width),
                Parameters.block(layer, "attn.c_proj"),
                site + 1);
        norm2 = new LayerNorm(
                context,
                Parameters.block(layer, "ln_2"),
                norm1.residual(),
                attentionBranch,
                LayerNorm.Place.WITHIN_BLOCK);
        mlp = FeedForward.of(context, Parameters.block(layer, "mlp"));
        mlpBranch = Branch.of(
                context,
                context.workspace().shared("mlp branch", width),
                Parameters.block(layer, "mlp.c_proj"),
                site + 2);
    }

    Tensor residual() {
        return norm2.residual();
    }

    Branch branch() {
        return mlpBranch;
    }

    void forward() {
        norm1.forward(attention.input());
        attention.forward(norm1.output(), attentionBranch.values());
        norm2.forward(mlp.input());
        mlp.forward(norm2.output(), mlpBranch.values());
    }

    /** Computes what {@link #backward} needs again, from the residual stream that entered the block. */
    void recompute() {
        norm1.recompute(attention.input());
        attention.forward(norm1.output(), attentionBranch.values());
        norm2.forward(mlp.input());
        mlp.recompute(norm2.output());
    }

    /**
     * Backward through both branches.
     *
     * @param dBranch the gradient of {@link #branch}, (rows, C)
     * @param accumulate as in {@link Linear#backward}
     * @return the gradient of the pending branch of the block below
     */
    Tensor backward(Tensor dBranch, boolean accumulate) {
        mlp.backward(norm2.output(), dBranch, norm2.dOutput(), accumulate);
        norm2.backward();
        attention.backward(norm1.output(), norm2.dBranch(), norm1.dOutput(), accumulate);
        norm1.backward();
        return norm1.dBranch();
    }
}
