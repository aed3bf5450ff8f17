package dev.kindling.nn;

import dev.kindling.device.CrossEntropy;
import dev.kindling.device.Matmul;
import dev.kindling.device.Ops;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;

/**
 * The classifier, tied to the token embedding: logits = x wte^T, (rows, Vp), and their cross entropy. The logits of a
 * chunk of rows exist at a time, in memory that the next chunk overwrites; each chunk goes from logits to gradients before
 * the next one begins. With one chunk, they are there from {@link #forward} on.
 */
final class Head {
    private final Ops ops;
    private final Tensor table;
    private final Tensor dTable;
    private final Tensor logits;
    private final Tensor targets;
    private final Tensor losses;
    private final int vocabulary;
    private final int rows;
    private final int chunkRows;

    /** @param targets (rows) I32 */
    Head(BlockContext context, Tensor targets) {
        ops = context.ops();
        Parameters parameters = context.parameters();
        Workspace workspace = context.workspace();
        table = parameters.weight("wte.weight");
        dTable = parameters.gradient("wte.weight");
        vocabulary = context.config().vocabulary();
        rows = context.shape().rows();
        chunkRows = workspace.headRows();
        logits = workspace.tensor(
                "logits", context.device().activationType(), Shape.of(chunkRows, parameters.paddedVocabulary()));
        losses = workspace.tensor("losses", DType.F32, Shape.of(rows));
        this.targets = targets;
    }

    private boolean whole() {
        return chunkRows == rows;
    }

    Tensor logits() {
        if (!whole()) {
            throw new IllegalStateException("the logits are made in chunks of rows, never all at once");
        }
        return logits;
    }

    Tensor losses() {
        return losses;
    }

    /** x (rows, C). */
    void forward(Tensor x) {
        if (whole()) {
            ops.matmul(Matmul.of(x, table.transpose(0, 1), logits));
        }
    }

    /** Computes the losses; call after {@link #forward}. */
    void evaluate(Tensor x) {
        for (int from = 0; from < rows; from += chunkRows) {
            ops.crossEntropy(chunk(x, from));
        }
    }

    /**
     * Computes the losses and overwrites dx (rows, C); call after {@link #forward}.
     *
     * @param accumulate whether to add to the table's gradient or to overwrite it
     */
    void backward(Tensor x, Tensor dx, boolean accumulate) {
        for (int from = 0; from < rows; from += chunkRows) {
            CrossEntropy chunk = chunk(x, from);
            ops.crossEntropyWithGradient(chunk);
            Tensor dLogits = chunk.logits();
            ops.matmul(Matmul.of(dLogits.transpose(0, 1), part(x, from), dTable, accumulate || from > 0));
            ops.matmul(Matmul.of(dLogits, table, part(dx, from)));
        }
    }

    /** The cross entropy of the rows of one chunk, whose logits have been made. */
    private CrossEntropy chunk(Tensor x, int from) {
        Tensor own = logits.slice(0, 0, length(from));
        if (!whole()) {
            ops.matmul(Matmul.of(part(x, from), table.transpose(0, 1), own));
        }
        return new CrossEntropy(own, part(targets, from), vocabulary, part(losses, from));
    }

    private Tensor part(Tensor all, int from) {
        return all.slice(0, from, length(from));
    }

    private int length(int from) {
        return Math.min(chunkRows, rows - from);
    }
}
