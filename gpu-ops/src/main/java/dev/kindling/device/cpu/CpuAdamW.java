package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.rows.CpuBuffer.floats;
import static dev.kindling.device.cpu.rows.CpuBuffer.offset;

import dev.kindling.device.AdamWOp;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cpu.rows.Bf16Rows;
import dev.kindling.device.cpu.rows.CpuBuffer;
import dev.kindling.device.cpu.rows.CpuLoops;
import dev.kindling.device.cpu.rows.CpuStep;
import dev.kindling.device.cpu.rows.RandomRounding;
import dev.kindling.device.cpu.rows.RowKernels;
import dev.kindling.tensor.DType;
import java.nio.ShortBuffer;

/** {@link AdamWOp} in one pass over the weights that decay, and one over the others. */
final class CpuAdamW {
    private final CpuLoops loops;
    private final CpuStep step;

    CpuAdamW(CpuLoops loops, CpuStep step) {
        this.loops = loops;
        this.step = step;
    }

    void step(AdamWOp op) {
        long count = op.parameters().count();
        TensorChecks.dense(DType.F32, count, op.parameters(), op.working(), op.gradients());
        TensorChecks.dense(op.m().dtype(), count, op.m(), op.v());
        step(op, 0, (int) op.decaying(), op.weightDecay());
        step(op, (int) op.decaying(), (int) count, 0);
    }

    private void step(AdamWOp op, int from, int to, float weightDecay) {
        float[] working = floats(op.working());
        int workingAt = offset(op.working()) + from;
        float[] weights = floats(op.parameters());
        int weightsAt = offset(op.parameters()) + from;
        boolean separate = working != weights || workingAt != weightsAt;
        RowKernels.AdamWArrays whole = op.m().dtype() == DType.BF16
                ? null
                : arrays(
                        op,
                        from,
                        new Moments(floats(op.m()), offset(op.m()) + from, floats(op.v()), offset(op.v()) + from),
                        weightDecay);
        loops.flat(to - from, (at, n) -> {
            if (op.m().dtype() == DType.BF16) {
                inHalves(op, from, at, n, weightDecay);
            } else {
                loops.kernels().adamW(whole, at, n);
            }
            if (separate) {
                System.arraycopy(weights, weightsAt + at, working, workingAt + at, n);
            }
        });
    }

    /** The same with moments in bf16: a block of them is widened, and rounded again. */
    private void inHalves(AdamWOp op, int from, int at, int n, float weightDecay) {
        short[] m = CpuBuffer.halves(op.m());
        short[] v = CpuBuffer.halves(op.v());
        int mAt = offset(op.m()) + from + at;
        int vAt = offset(op.v()) + from + at;
        float[] wideM = new float[n];
        float[] wideV = new float[n];
        Bf16Rows.get(ShortBuffer.wrap(m, mAt, n), wideM, 0, n);
        Bf16Rows.get(ShortBuffer.wrap(v, vAt, n), wideV, 0, n);
        loops.kernels().adamW(arrays(op, from, new Moments(wideM, -at, wideV, -at), weightDecay), at, n);
        new RandomRounding(step).moments(op.first() + from + at, wideM, wideV, m, mAt, v, vAt, n);
    }

    /** Where the moments are as floats. */
    @SuppressWarnings("ArrayRecordComponent") // a view that nobody compares
    private record Moments(float[] m, int mAt, float[] v, int vAt) {}

    private RowKernels.AdamWArrays arrays(AdamWOp op, int from, Moments moments, float weightDecay) {
        float rate = step.inputs().learningRate();
        return new RowKernels.AdamWArrays(
                floats(op.parameters()),
                offset(op.parameters()) + from,
                floats(op.gradients()),
                offset(op.gradients()) + from,
                moments.m(),
                moments.mAt(),
                moments.v(),
                moments.vAt(),
                op.beta1(),
                op.beta2(),
                op.epsilon(),
                step.clipScale(),
                rate / step.inputs().beta1Correction(),
                (float) (1 / Math.sqrt(step.inputs().beta2Correction())),
                rate * weightDecay);
    }
}
