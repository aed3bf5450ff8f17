package dev.kindling.nn;

import dev.kindling.device.CrossEntropy;
import dev.kindling.device.Fp8Matmul;
import dev.kindling.device.Fp8Matrix;
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
    private final Rounded rounded;

    /**
     * What is in FP8 where the classifier is: x, the table, and the gradient of a chunk's logits.
     *
     * @param input (rows, C)
     * @param table (Vp, C)
     * @param gradient (chunk's rows, Vp)
     */
    private record Rounded(Fp8Matrix input, Fp8Matrix table, Fp8Matrix gradient) {
        /** The gradient of the logits of a chunk of fewer rows, in the same memory. */
        Fp8Matrix gradient(int rows) {
            Tensor values = gradient.values();
            Tensor transposed = gradient.transposed();
            long width = values.size(1);
            return new Fp8Matrix(
                    Tensor.dense(values.buffer(), values.offset(), Shape.of(rows, width)),
                    Tensor.dense(transposed.buffer(), transposed.offset(), Shape.of(width, rows)),
                    gradient.scale());
        }
    }

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
        rounded = context.fp8Head() ? rounded(context) : null;
    }

    private Rounded rounded(BlockContext context) {
        Workspace workspace = context.workspace();
        Fp8State state = context.fp8();
        long padded = table.size(0);
        long width = table.size(1);
        Fp8Matrix input = new Fp8Matrix(
                workspace.tensor("input in FP8, " + width, DType.E4M3, Shape.of(rows, width)),
                workspace.tensor("head input in FP8, transposed", DType.E4M3, Shape.of(width, rows)),
                state.scale(DType.E4M3));
        Fp8Matrix weight = new Fp8Matrix(
                workspace.tensor("wte.weight in FP8", DType.E4M3, Shape.of(padded, width)),
                workspace.tensor("wte.weight in FP8, transposed", DType.E4M3, Shape.of(width, padded)),
                state.scale(DType.E4M3));
        state.roundEachStep(table, weight);
        Fp8Matrix gradient = new Fp8Matrix(
                workspace.tensor("gradient of logits in FP8", DType.E5M2, Shape.of(chunkRows, padded)),
                workspace.tensor("gradient of logits in FP8, transposed", DType.E5M2, Shape.of(padded, chunkRows)),
                state.scale(DType.E5M2));
        return new Rounded(input, weight, gradient);
    }

    /** Where x (rows, C) is expected in FP8, and is then null in the calls below; null if it is not. */
    Fp8Matrix input() {
        return rounded == null ? null : rounded.input();
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
            product(x, 0, logits);
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
            if (rounded != null) {
                backward(chunk, from, part(dx, from), accumulate || from > 0);
                continue;
            }
            ops.crossEntropyWithGradient(chunk);
            Tensor dLogits = chunk.logits();
            ops.matmul(Matmul.of(dLogits.transpose(0, 1), part(x, from), dTable, accumulate || from > 0));
            ops.matmul(Matmul.of(dLogits, table, part(dx, from)));
        }
    }

    /** In FP8. */
    private void backward(CrossEntropy chunk, int from, Tensor dx, boolean accumulate) {
        int length = length(from);
        Fp8Matrix x = rounded.input().slice(from, length);
        Fp8Matrix gradient = rounded.gradient(length);
        ops.fp8().crossEntropyWithGradient(chunk, gradient);
        ops.fp8().matmul(new Fp8Matmul(gradient.columns(), x.columns(), dTable, null, accumulate, false));
        ops.fp8().matmul(new Fp8Matmul(gradient.rows(), rounded.table().columns(), dx, null, false, false));
    }

    /** y = the logits of the rows from {@code from} on. */
    private void product(Tensor x, int from, Tensor y) {
        if (rounded == null) {
            ops.matmul(Matmul.of(part(x, from), table.transpose(0, 1), y));
            return;
        }
        Fp8Matrix part = rounded.input().slice(from, length(from));
        ops.fp8().matmul(new Fp8Matmul(part.rows(), rounded.table().rows(), y, null, false, true));
    }

    /** The cross entropy of the rows of one chunk, whose logits have been made. */
    private CrossEntropy chunk(Tensor x, int from) {
        Tensor own = logits.slice(0, 0, length(from));
        if (!whole()) {
            product(x, from, own);
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
