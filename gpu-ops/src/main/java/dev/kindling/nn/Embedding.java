package dev.kindling.nn;

import dev.kindling.device.EmbeddingOp;
import dev.kindling.device.Ops;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Tensor;

/** The sum of token and position embeddings: y = dropout(wte[tokens] + wpe[positions]). */
final class Embedding {
    private final Ops ops;
    private final EmbeddingOp op;
    private final Tensor dTokenTable;
    private final Tensor dPositionTable;

    Embedding(BlockContext context, Tensor tokens, Tensor positions) {
        ops = context.ops();
        Parameters parameters = context.parameters();
        op = new EmbeddingOp(
                tokens,
                positions,
                parameters.weight("wte.weight"),
                parameters.weight("wpe.weight"),
                context.dropout(0),
                context.shape().packed() || context.cache() != null
                        ? 0
                        : context.shape().length());
        dTokenTable = parameters.gradient("wte.weight");
        dPositionTable = parameters.gradient("wpe.weight");
    }

    /** Overwrites y (rows, C). */
    void forward(Tensor y) {
        ops.embedding(op, y);
    }

    /** Adds the gradients from dy (rows, C) to those of both tables. */
    void backward(Tensor dy) {
        ops.embeddingBackward(op, dy, dTokenTable, dPositionTable);
    }
}
