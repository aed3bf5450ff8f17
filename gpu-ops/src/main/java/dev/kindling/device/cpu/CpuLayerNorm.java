package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.rows.CpuBuffer.floats;
import static dev.kindling.device.cpu.rows.CpuBuffer.offset;

import dev.kindling.device.ResidualLayerNorm;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cpu.rows.ColumnSums;
import dev.kindling.device.cpu.rows.CpuDropout;
import dev.kindling.device.cpu.rows.CpuLoops;
import dev.kindling.device.cpu.rows.CpuRowScratch;
import dev.kindling.device.cpu.rows.CpuStep;
import dev.kindling.device.cpu.rows.RowKernels;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Locale;

/** {@link ResidualLayerNorm}, a row at a time: residual, statistics and output while the row is in the cache. */
final class CpuLayerNorm {
    private final CpuLoops loops;
    private final CpuStep step;
    private final ColumnSums sums;
    private final CpuRowScratch scratch;

    CpuLayerNorm(CpuLoops loops, CpuStep step) {
        this.loops = loops;
        this.step = step;
        this.sums = new ColumnSums(loops);
        this.scratch = new CpuRowScratch(loops.threads());
    }

    void forward(ResidualLayerNorm op) {
        int rows = check(op);
        int width = op.residualOut().size(-1);
        RowKernels kernels = loops.kernels();
        float[] x = floats(op.residualOut());
        float[] weight = floats(op.weight());
        float[] bias = op.bias() == null ? null : floats(op.bias());
        int biasAt = op.bias() == null ? 0 : offset(op.bias());
        float[] means = floats(op.mean());
        float[] rstds = floats(op.rstd());
        loops.rows(rows, 2L * width, (worker, from, to) -> {
            CpuDropout dropout = new CpuDropout(op.dropout(), step);
            for (int row = from; row < to; row++) {
                int at = offset(op.residualOut()) + row * width;
                if (op.branch() != null) {
                    residual(op, row, dropout, scratch.row(worker, width));
                }
                float mean = kernels.total(x, at, width) / width;
                float variance = kernels.squares(x, at, width, mean) / width;
                float rstd = (float) (1 / Math.sqrt(variance + ResidualLayerNorm.EPSILON));
                means[offset(op.mean()) + row] = mean;
                rstds[offset(op.rstd()) + row] = rstd;
                RowKernels.NormalizedRow normalized =
                        new RowKernels.NormalizedRow(x, at, mean, rstd, weight, offset(op.weight()));
                kernels.normalize(normalized, bias, biasAt, floats(op.y()), offset(op.y()) + row * width, width);
            }
        });
    }

    private void residual(ResidualLayerNorm op, int row, CpuDropout dropout, float[] scratchRow) {
        int width = op.residualOut().size(-1);
        int first = row * width;
        float[] added = floats(op.branch());
        int addedAt = offset(op.branch()) + first;
        if (op.branchBias() != null) {
            loops.kernels().sum(added, addedAt, floats(op.branchBias()), offset(op.branchBias()), scratchRow, 0, width);
            added = scratchRow;
            addedAt = 0;
        }
        if (op.dropout().active()) {
            dropout.elements((long) row * width, added, addedAt, scratchRow, 0, width);
            added = scratchRow;
            addedAt = 0;
        }
        loops.kernels()
                .sum(
                        floats(op.residualIn()),
                        offset(op.residualIn()) + first,
                        added,
                        addedAt,
                        floats(op.residualOut()),
                        offset(op.residualOut()) + first,
                        width);
    }

    void backward(ResidualLayerNorm op, ResidualLayerNorm.Gradients gradients) {
        int rows = check(op);
        int width = op.residualOut().size(-1);
        check(gradients, rows, width);
        sums.run(rows, 3 * width, 3L * width, (worker, from, to, partial, at) -> {
            CpuDropout dropout = new CpuDropout(op.dropout(), step);
            for (int row = from; row < to; row++) {
                gradientRow(op, gradients, row, partial, at);
                branchRow(op, gradients, row, dropout, partial, at + 2 * width);
            }
        });
        addTo(gradients.dWeight(), 0, width);
        addTo(gradients.dBias(), width, width);
        addTo(gradients.dBranchBias(), 2 * width, width);
    }

    private void addTo(Tensor target, int column, int width) {
        if (target != null) {
            sums.addTo(column, width, floats(target), offset(target));
        }
    }

    private void gradientRow(
            ResidualLayerNorm op, ResidualLayerNorm.Gradients gradients, int row, float[] partial, int at) {
        int width = op.residualOut().size(-1);
        RowKernels.NormalizedRow normalized = new RowKernels.NormalizedRow(
                floats(op.residualOut()),
                offset(op.residualOut()) + row * width,
                floats(op.mean())[offset(op.mean()) + row],
                floats(op.rstd())[offset(op.rstd()) + row],
                floats(op.weight()),
                offset(op.weight()));
        RowKernels.NormalizedGradient gradient = new RowKernels.NormalizedGradient(
                floats(gradients.dy()),
                offset(gradients.dy()) + row * width,
                floats(gradients.dResidual()),
                offset(gradients.dResidual()) + row * width,
                gradients.accumulate(),
                partial,
                at,
                gradients.dBias() == null ? -1 : at + width);
        loops.kernels().normalizeGradient(normalized, gradient, width);
    }

    private void branchRow(
            ResidualLayerNorm op,
            ResidualLayerNorm.Gradients gradients,
            int row,
            CpuDropout dropout,
            float[] partial,
            int at) {
        int width = op.residualOut().size(-1);
        float[] branch = floats(gradients.dResidual());
        int branchAt = offset(gradients.dResidual()) + row * width;
        if (gradients.dBranch() != null) {
            float[] target = floats(gradients.dBranch());
            int targetAt = offset(gradients.dBranch()) + row * width;
            if (op.dropout().active()) {
                dropout.elements((long) row * width, branch, branchAt, target, targetAt, width);
            } else {
                System.arraycopy(branch, branchAt, target, targetAt, width);
            }
            branch = target;
            branchAt = targetAt;
        }
        if (gradients.dBranchBias() != null) {
            loops.kernels().add(branch, branchAt, partial, at, width);
        }
    }

    private static int check(ResidualLayerNorm op) {
        long count = op.residualOut().count();
        int width = op.residualOut().size(-1);
        int rows = TensorChecks.rows(op.residualOut());
        TensorChecks.dense(DType.F32, count, op.y(), op.residualIn(), op.residualOut(), op.branch());
        TensorChecks.dense(DType.F32, width, op.branchBias(), op.weight(), op.bias());
        TensorChecks.dense(DType.F32, rows, op.mean(), op.rstd());
        if (op.branch() == null
                && (op.residualIn().buffer() != op.residualOut().buffer()
                        || op.residualIn().offset() != op.residualOut().offset())) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "without a branch residualOut must be residualIn, but they are %s and %s",
                    op.residualOut(),
                    op.residualIn()));
        }
        return rows;
    }

    private static void check(ResidualLayerNorm.Gradients gradients, int rows, int width) {
        long count = (long) rows * width;
        TensorChecks.dense(DType.F32, count, gradients.dy(), gradients.dResidual(), gradients.dBranch());
        TensorChecks.dense(DType.F32, width, gradients.dWeight(), gradients.dBias(), gradients.dBranchBias());
    }
}
