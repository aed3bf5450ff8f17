package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.rows.CpuBuffer.floats;
import static dev.kindling.device.cpu.rows.CpuBuffer.offset;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cpu.rows.CpuBuffer;
import dev.kindling.device.cpu.rows.CpuDropout;
import dev.kindling.device.cpu.rows.CpuLoops;
import dev.kindling.device.cpu.rows.CpuRowScratch;
import dev.kindling.device.cpu.rows.CpuStep;
import dev.kindling.device.cpu.rows.RowKernels;
import dev.kindling.device.cpu.rows.SoftmaxRow;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;

/** The softmax between the two products of MATH attention, and its gradient; a row of scores at a time. */
final class CpuAttentionSoftmax {
    private final CpuLoops loops;
    private final CpuStep step;
    private final CpuRowScratch scratch;

    CpuAttentionSoftmax(CpuLoops loops, CpuStep step) {
        this.loops = loops;
        this.step = step;
        this.scratch = new CpuRowScratch(loops.threads());
    }

    void forward(AttentionInputs inputs, Tensor scores, Tensor dropped) {
        TensorChecks.dense(DType.F32, scores.count(), scores, dropped);
        int columns = scores.size(3);
        Tensor mask = inputs.mask() == null ? null : inputs.mask().broadcast(scores.shape());
        loops.rows(rows(scores), 4L * columns, (worker, from, to) -> {
            CpuDropout dropout = new CpuDropout(inputs.dropout(), step);
            float[] keep = scratch.row(worker, columns + 32);
            for (int row = from; row < to; row++) {
                SoftmaxRow range = SoftmaxRow.of(inputs, scores, row);
                int at = offset(scores) + row * columns;
                probabilities(inputs.scale(), mask, range, floats(scores), at, columns);
                if (dropped != null) {
                    drop(inputs, dropout, range, keep, floats(scores), at, floats(dropped), offset(dropped), row);
                }
            }
        });
    }

    private static int rows(Tensor scores) {
        return Math.toIntExact((long) scores.size(0) * scores.size(1) * scores.size(2));
    }

    private void probabilities(float scale, Tensor mask, SoftmaxRow range, float[] x, int at, int columns) {
        RowKernels kernels = loops.kernels();
        int first = at + range.first();
        int n = range.count();
        kernels.scale(x, first, scale, x, first, n);
        if (mask != null) {
            mask(mask, range, x, first);
        }
        float max = kernels.max(x, first, n);
        Arrays.fill(x, at, first, 0f);
        Arrays.fill(x, first + n, at + columns, 0f);
        if (max == Float.NEGATIVE_INFINITY) {
            Arrays.fill(x, first, first + n, 0f);
            return;
        }
        float sum = kernels.exponentials(x, first, 1f, max, x, first, n);
        kernels.scale(x, first, 1 / sum, x, first, n);
    }

    private void mask(Tensor mask, SoftmaxRow range, float[] x, int at) {
        int step = (int) mask.stride(3);
        int maskAt = (int) (mask.offset()
                + range.b() * mask.stride(0)
                + range.h() * mask.stride(1)
                + range.row() * mask.stride(2)
                + range.first() * mask.stride(3));
        if (mask.dtype() == DType.BOOL) {
            byte[] allowed = CpuBuffer.booleans(mask);
            for (int i = 0; i < range.count(); i++) {
                if (allowed[maskAt + i * step] == 0) {
                    x[at + i] = Float.NEGATIVE_INFINITY;
                }
            }
        } else if (step == 1) {
            loops.kernels().add(floats(mask), maskAt, x, at, range.count());
        } else {
            float[] added = floats(mask);
            for (int i = 0; i < range.count(); i++) {
                x[at + i] += added[maskAt + i * step];
            }
        }
    }

    private void drop(
            AttentionInputs inputs,
            CpuDropout dropout,
            SoftmaxRow range,
            float[] keep,
            float[] x,
            int at,
            float[] y,
            int yStart,
            int row) {
        int columns = inputs.key().size(2);
        int yAt = yStart + row * columns;
        if (!inputs.dropout().active()) {
            System.arraycopy(x, at, y, yAt, columns);
            return;
        }
        int first = range.first();
        dropout.attentionRow(range.dropoutRow(), range.blocksPerRow(), 0, range.count(), keep, 0);
        Arrays.fill(y, yAt, yAt + columns, 0f);
        loops.kernels().multiply(x, at + first, keep, 0, y, yAt + first, range.count());
    }

    void backward(AttentionInputs inputs, Tensor probabilities, Tensor dScores) {
        TensorChecks.dense(DType.F32, probabilities.count(), probabilities, dScores);
        int columns = probabilities.size(3);
        float[] p = floats(probabilities);
        float[] d = floats(dScores);
        RowKernels kernels = loops.kernels();
        loops.rows(rows(probabilities), 3L * columns, (worker, from, to) -> {
            CpuDropout dropout = new CpuDropout(inputs.dropout(), step);
            float[] keep = scratch.row(worker, columns + 32);
            for (int row = from; row < to; row++) {
                SoftmaxRow range = SoftmaxRow.of(inputs, probabilities, row);
                int n = range.count();
                int pAt = offset(probabilities) + row * columns + range.first();
                int start = offset(dScores) + row * columns;
                int at = start + range.first();
                if (inputs.dropout().active()) {
                    dropout.attentionRow(range.dropoutRow(), range.blocksPerRow(), 0, n, keep, 0);
                    kernels.multiply(d, at, keep, 0, d, at, n);
                }
                float center = kernels.dot(p, pAt, d, at, n);
                kernels.softmaxGradient(p, pAt, d, at, center, inputs.scale(), n);
                Arrays.fill(d, start, at, 0f);
                Arrays.fill(d, at + n, start + columns, 0f);
            }
        });
    }
}
