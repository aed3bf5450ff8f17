package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.rows.CpuBuffer.floats;
import static dev.kindling.device.cpu.rows.CpuBuffer.offset;

import dev.kindling.device.CrossEntropy;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cpu.rows.CpuBuffer;
import dev.kindling.device.cpu.rows.CpuLoops;
import dev.kindling.device.cpu.rows.CpuRowScratch;
import dev.kindling.device.cpu.rows.CpuStep;
import dev.kindling.tensor.DType;
import java.util.Arrays;
import java.util.Locale;

/** {@link CrossEntropy}: losses alone, or losses and the gradient, which overwrites the logits. */
final class CpuCrossEntropy {
    private final CpuLoops loops;
    private final CpuStep step;
    private final CpuRowScratch scratch;

    CpuCrossEntropy(CpuLoops loops, CpuStep step) {
        this.loops = loops;
        this.step = step;
        this.scratch = new CpuRowScratch(loops.threads());
    }

    /** Computes the losses; the logits are kept. */
    void losses(CrossEntropy op) {
        int vocabulary = check(op);
        int padded = op.logits().size(-1);
        loops.rows(TensorChecks.rows(op.logits()), 3L * padded, (worker, from, to) -> {
            float[] exponentials = scratch.row(worker, vocabulary);
            for (int row = from; row < to; row++) {
                if (target(op, row) < 0) {
                    floats(op.losses())[offset(op.losses()) + row] = 0f;
                } else {
                    loss(op, row, exponentials, 0);
                }
            }
        });
    }

    /** Computes the losses and overwrites the logits by their gradient. */
    void lossesAndGradient(CrossEntropy op) {
        int vocabulary = check(op);
        int padded = op.logits().size(-1);
        float[] logits = floats(op.logits());
        float lossScale = step.inputs().lossScale();
        loops.rows(TensorChecks.rows(op.logits()), 3L * padded, (worker, from, to) -> {
            for (int row = from; row < to; row++) {
                int at = offset(op.logits()) + row * padded;
                int target = target(op, row);
                if (target < 0) {
                    floats(op.losses())[offset(op.losses()) + row] = 0f;
                    Arrays.fill(logits, at, at + padded, 0f);
                    continue;
                }
                float sum = loss(op, row, logits, at);
                loops.kernels().scale(logits, at, lossScale / sum, logits, at, vocabulary);
                logits[at + target] -= lossScale;
                Arrays.fill(logits, at + vocabulary, at + padded, 0f);
            }
        });
    }

    /**
     * Writes the row's loss, and exp(logit - max) from {@code at} on, which may be the logits' own place; returns the
     * sum of those.
     */
    private float loss(CrossEntropy op, int row, float[] exponentials, int at) {
        float[] logits = floats(op.logits());
        int first = offset(op.logits()) + row * op.logits().size(-1);
        float max = loops.kernels().max(logits, first, op.vocabulary());
        float chosen = logits[first + target(op, row)];
        float sum = loops.kernels().exponentials(logits, first, 1f, max, exponentials, at, op.vocabulary());
        floats(op.losses())[offset(op.losses()) + row] = (float) (Math.log(sum) + max - chosen);
        return sum;
    }

    private static int target(CrossEntropy op, int row) {
        int target = CpuBuffer.ints(op.targets())[offset(op.targets()) + row];
        if (target < -1 || target >= op.vocabulary()) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "target %d of row %d is outside of -1 .. %d", target, row, op.vocabulary() - 1));
        }
        return target;
    }

    private static int check(CrossEntropy op) {
        int rows = TensorChecks.rows(op.logits());
        TensorChecks.dense(DType.F32, op.logits().count(), op.logits());
        TensorChecks.dense(DType.I32, rows, op.targets());
        TensorChecks.dense(DType.F32, rows, op.losses());
        if (op.vocabulary() < 1 || op.vocabulary() > op.logits().size(-1)) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "a vocabulary of %d does not fit %s", op.vocabulary(), op.logits()));
        }
        return op.vocabulary();
    }
}
