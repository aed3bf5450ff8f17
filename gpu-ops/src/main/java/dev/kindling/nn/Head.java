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
import java.util.List;
import java.util.stream.IntStream;

/**
 * The classifier, tied to the token embedding: logits = x wte^T, (rows, Vp), and their cross entropy. It works slice by slice
 * ({@link Activations#HEAD_SLICE} rows), so that the bits of what it computes do not depend on how many rows of logits exist
 * at a time. If those are all, they are there from {@link #forward} on; else each slice goes from logits to gradients in turn,
 * and a later one overwrites its logits.
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
    private final List<Slice> slices;
    private final Rounded rounded;

    /**
     * What is in FP8 where the classifier is: x, the table, and the gradient of a slice's logits.
     *
     * @param input (rows, C)
     * @param table (Vp, C)
     * @param gradient (slice's rows, Vp)
     */
    private record Rounded(Fp8Matrix input, Fp8Matrix table, Fp8Matrix gradient) {
        /** The gradient of the logits of a slice of fewer rows, in the same memory. */
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
        slices = slices(rows);
        logits = workspace.tensor(
                "logits",
                context.device().activationType(),
                Shape.of(workspace.headRows(), parameters.paddedVocabulary()));
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
        int most = slices.get(0).rows();
        Fp8Matrix gradient = new Fp8Matrix(
                workspace.tensor("gradient of logits in FP8", DType.E5M2, Shape.of(most, padded)),
                workspace.tensor("gradient of logits in FP8, transposed", DType.E5M2, Shape.of(padded, most)),
                state.scale(DType.E5M2));
        return new Rounded(input, weight, gradient);
    }

    /** Where x (rows, C) is expected in FP8, and is then null in the calls below; null if it is not. */
    Fp8Matrix input() {
        return rounded == null ? null : rounded.input();
    }

    private boolean whole() {
        return logits.size(0) == rows;
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
            slices.forEach(slice -> product(x, slice));
        }
    }

    /** Computes the losses; call after {@link #forward}. */
    void evaluate(Tensor x) {
        slices.forEach(slice -> ops.crossEntropy(classified(x, slice)));
    }

    /**
     * Computes the losses and overwrites dx (rows, C); call after {@link #forward}.
     *
     * @param accumulate whether to add to the table's gradient or to overwrite it
     */
    void backward(Tensor x, Tensor dx, boolean accumulate) {
        for (Slice slice : slices) {
            CrossEntropy classified = classified(x, slice);
            boolean onto = accumulate || slice.from() > 0;
            if (rounded != null) {
                backward(classified, slice, dx, onto);
                continue;
            }
            ops.crossEntropyWithGradient(classified);
            Tensor dLogits = classified.logits();
            ops.matmul(Matmul.of(dLogits.transpose(0, 1), slice.of(x), dTable, onto));
            ops.matmul(Matmul.of(dLogits, table, slice.of(dx)));
        }
    }

    /** In FP8. */
    private void backward(CrossEntropy classified, Slice slice, Tensor dx, boolean onto) {
        Fp8Matrix x = slice.of(rounded.input());
        Fp8Matrix gradient = rounded.gradient(slice.rows());
        ops.fp8().crossEntropyWithGradient(classified, gradient);
        ops.fp8().matmul(new Fp8Matmul(gradient.columns(), x.columns(), dTable, null, onto, false));
        ops.fp8().matmul(new Fp8Matmul(gradient.rows(), rounded.table().columns(), slice.of(dx), null, false, false));
    }

    /** The cross entropy of a slice, whose logits are made here unless {@link #forward} has made all. */
    private CrossEntropy classified(Tensor x, Slice slice) {
        if (!whole()) {
            product(x, slice);
        }
        return new CrossEntropy(logits(slice), slice.of(targets), vocabulary, slice.of(losses));
    }

    /** Makes the logits of a slice. */
    private void product(Tensor x, Slice slice) {
        if (rounded == null) {
            ops.matmul(Matmul.of(slice.of(x), table.transpose(0, 1), logits(slice)));
            return;
        }
        Fp8Matrix part = slice.of(rounded.input());
        ops.fp8().matmul(new Fp8Matmul(part.rows(), rounded.table().rows(), logits(slice), null, false, true));
    }

    private Tensor logits(Slice slice) {
        return logits.slice(0, slice.from() % logits.size(0), slice.rows());
    }

    /** Some of the rows. */
    private record Slice(int from, int rows) {
        Tensor of(Tensor all) {
            return all.slice(0, from, rows);
        }

        Fp8Matrix of(Fp8Matrix all) {
            return all.slice(from, rows);
        }
    }

    private static List<Slice> slices(int rows) {
        return IntStream.rangeClosed(0, (rows - 1) / Activations.HEAD_SLICE)
                .map(i -> i * Activations.HEAD_SLICE)
                .mapToObj(from -> new Slice(from, Math.min(Activations.HEAD_SLICE, rows - from)))
                .toList();
    }
}
