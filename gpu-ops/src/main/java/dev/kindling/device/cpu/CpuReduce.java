package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.rows.CpuBuffer.floats;
import static dev.kindling.device.cpu.rows.CpuBuffer.offset;

import dev.kindling.device.TensorChecks;
import dev.kindling.device.cpu.rows.Bf16Rows;
import dev.kindling.device.cpu.rows.ColumnSums;
import dev.kindling.device.cpu.rows.CpuBuffer;
import dev.kindling.device.cpu.rows.CpuLoops;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.ShortBuffer;
import java.util.Arrays;

/** Sums and the gradient norm: the sums of blocks of fixed size, added in order in double. */
final class CpuReduce {
    private final CpuLoops loops;
    private final ColumnSums columns;
    private double[] partial = new double[0];

    CpuReduce(CpuLoops loops) {
        this.loops = loops;
        this.columns = new ColumnSums(loops);
    }

    void sum(Tensor x, Tensor total) {
        TensorChecks.dense(DType.F32, x.count(), x);
        TensorChecks.dense(DType.F32, 1, total);
        float[] values = floats(x);
        double sum = blocks(x, (at, n) -> loops.kernels().total(values, at, n));
        floats(total)[offset(total)] += (float) sum;
    }

    /** The sums of squares of the blocks. */
    double[] squares(Tensor x) {
        sumOfSquares(x);
        return Arrays.copyOf(partial, CpuLoops.blocks(Math.toIntExact(x.count())));
    }

    /** The square root of the sum of squares. */
    float norm(Tensor x) {
        return (float) Math.sqrt(sumOfSquares(x));
    }

    private double sumOfSquares(Tensor x) {
        TensorChecks.dense(x);
        if (x.dtype() == DType.BF16) {
            short[] halves = CpuBuffer.halves(x);
            return blocks(x, (at, n) -> {
                float[] wide = new float[n];
                Bf16Rows.get(ShortBuffer.wrap(halves, at, n), wide, 0, n);
                return loops.kernels().squares(wide, 0, n, 0f);
            });
        }
        float[] values = floats(x);
        return blocks(x, (at, n) -> loops.kernels().squares(values, at, n, 0f));
    }

    @FunctionalInterface
    private interface BlockSum {
        double of(int at, int n);
    }

    private double blocks(Tensor x, BlockSum sum) {
        int count = Math.toIntExact(x.count());
        int start = offset(x);
        int blocks = CpuLoops.blocks(count);
        if (partial.length < blocks) {
            partial = new double[blocks];
        }
        loops.flat(count, (at, n) -> partial[at / CpuLoops.BLOCK] = sum.of(start + at, n));
        double total = 0;
        for (int block = 0; block < blocks; block++) {
            total += partial[block];
        }
        return total;
    }

    void sumRows(Tensor x, Tensor sums) {
        int width = x.size(-1);
        int rows = TensorChecks.rows(x);
        TensorChecks.dense(DType.F32, x.count(), x);
        TensorChecks.dense(DType.F32, width, sums);
        float[] values = floats(x);
        int start = offset(x);
        columns.run(rows, width, width, (worker, from, to, partials, at) -> {
            for (int row = from; row < to; row++) {
                loops.kernels().add(values, start + row * width, partials, at, width);
            }
        });
        columns.addTo(0, width, floats(sums), offset(sums));
    }
}
