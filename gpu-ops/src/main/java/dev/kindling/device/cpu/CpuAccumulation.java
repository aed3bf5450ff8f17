package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.rows.CpuBuffer.floats;
import static dev.kindling.device.cpu.rows.CpuBuffer.halves;
import static dev.kindling.device.cpu.rows.CpuBuffer.offset;

import dev.kindling.device.Accumulation;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cpu.rows.Bf16Rows;
import dev.kindling.device.cpu.rows.CpuLoops;
import dev.kindling.device.cpu.rows.CpuStep;
import dev.kindling.device.cpu.rows.RandomRounding;
import dev.kindling.tensor.DType;
import java.nio.ShortBuffer;

/** {@link Accumulation}: a block of the sum is widened, added to, and rounded again. */
final class CpuAccumulation {
    private final CpuLoops loops;
    private final CpuStep step;

    CpuAccumulation(CpuLoops loops, CpuStep step) {
        this.loops = loops;
        this.step = step;
    }

    void run(Accumulation op) {
        int count = Math.toIntExact(op.x().count());
        TensorChecks.dense(DType.F32, count, op.x());
        TensorChecks.dense(DType.BF16, count, op.sum());
        float[] x = floats(op.x());
        short[] sum = halves(op.sum());
        RandomRounding rounding = new RandomRounding(step);
        loops.flat(count, (at, n) -> {
            float[] wide = new float[n];
            Bf16Rows.get(ShortBuffer.wrap(sum, offset(op.sum()) + at, n), wide, 0, n);
            loops.kernels().add(x, offset(op.x()) + at, wide, 0, n);
            rounding.sums(op.first() + at, wide, sum, offset(op.sum()) + at, n);
        });
    }
}
