package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.rows.CpuBuffer.floats;
import static dev.kindling.device.cpu.rows.CpuBuffer.offset;

import dev.kindling.device.Gelu;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cpu.rows.ColumnSums;
import dev.kindling.device.cpu.rows.CpuLoops;
import dev.kindling.device.cpu.rows.RowKernels;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;

/** {@link Gelu} with its bias, a row at a time. */
final class CpuGelu {
    /** The cost of one element, in plain operations. */
    private static final int COST = 3;

    private final CpuLoops loops;
    private final ColumnSums sums;

    CpuGelu(CpuLoops loops) {
        this.loops = loops;
        this.sums = new ColumnSums(loops);
    }

    void forward(Gelu op, Tensor x, Tensor y) {
        int width = check(op, x, y);
        float[] in = floats(x);
        float[] out = floats(y);
        float[] bias = op.bias() == null ? null : floats(op.bias());
        int biasAt = op.bias() == null ? 0 : offset(op.bias());
        loops.rows(TensorChecks.rows(x), (long) COST * width, (worker, from, to) -> {
            for (int row = from; row < to; row++) {
                int at = row * width;
                loops.kernels().gelu(op.form(), in, offset(x) + at, bias, biasAt, out, offset(y) + at, width);
            }
        });
    }

    void backward(Gelu op, Tensor x, Tensor dy, Tensor dx, Tensor dBias) {
        int width = check(op, x, dx);
        TensorChecks.dense(DType.F32, x.count(), dy);
        TensorChecks.dense(DType.F32, width, dBias);
        int rows = TensorChecks.rows(x);
        if (dBias == null) {
            loops.rows(rows, (long) COST * width, (worker, from, to) -> {
                for (int row = from; row < to; row++) {
                    gradientRow(op, x, dy, dx, row);
                }
            });
            return;
        }
        float[] out = floats(dx);
        sums.run(rows, width, (long) COST * width, (worker, from, to, partial, at) -> {
            for (int row = from; row < to; row++) {
                gradientRow(op, x, dy, dx, row);
                loops.kernels().add(out, offset(dx) + row * width, partial, at, width);
            }
        });
        sums.addTo(0, width, floats(dBias), offset(dBias));
    }

    private void gradientRow(Gelu op, Tensor x, Tensor dy, Tensor dx, int row) {
        int width = x.size(-1);
        int at = row * width;
        float[] bias = op.bias() == null ? null : floats(op.bias());
        int biasAt = op.bias() == null ? 0 : offset(op.bias());
        RowKernels.GeluRow input = new RowKernels.GeluRow(op.form(), floats(x), offset(x) + at, bias, biasAt);
        loops.kernels().geluGradient(input, floats(dy), offset(dy) + at, floats(dx), offset(dx) + at, width);
    }

    private static int check(Gelu op, Tensor x, Tensor y) {
        int width = x.size(-1);
        TensorChecks.dense(DType.F32, x.count(), x, y);
        TensorChecks.dense(DType.F32, width, op.bias());
        return width;
    }
}
