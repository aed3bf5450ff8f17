package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.rows.CpuBuffer.floats;
import static dev.kindling.device.cpu.rows.CpuBuffer.offset;

import dev.kindling.device.AdamWOp;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cpu.rows.CpuLoops;
import dev.kindling.device.cpu.rows.CpuStep;
import dev.kindling.device.cpu.rows.RowKernels;
import dev.kindling.tensor.DType;

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
        TensorChecks.dense(DType.F32, count, op.parameters(), op.working(), op.gradients(), op.m(), op.v());
        step(op, 0, (int) op.decaying(), op.weightDecay());
        step(op, (int) op.decaying(), (int) count, 0);
    }

    private void step(AdamWOp op, int from, int to, float weightDecay) {
        RowKernels.AdamWArrays arrays = arrays(op, from, weightDecay);
        float[] working = floats(op.working());
        int workingAt = offset(op.working()) + from;
        boolean separate = working != arrays.p() || workingAt != arrays.pAt();
        loops.flat(to - from, (at, n) -> {
            loops.kernels().adamW(arrays, at, n);
            if (separate) {
                System.arraycopy(arrays.p(), arrays.pAt() + at, working, workingAt + at, n);
            }
        });
    }

    private RowKernels.AdamWArrays arrays(AdamWOp op, int from, float weightDecay) {
        float rate = step.inputs().learningRate();
        return new RowKernels.AdamWArrays(
                floats(op.parameters()),
                offset(op.parameters()) + from,
                floats(op.gradients()),
                offset(op.gradients()) + from,
                floats(op.m()),
                offset(op.m()) + from,
                floats(op.v()),
                offset(op.v()) + from,
                op.beta1(),
                op.beta2(),
                op.epsilon(),
                step.clipScale(),
                rate / step.inputs().beta1Correction(),
                (float) (1 / Math.sqrt(step.inputs().beta2Correction())),
                rate * weightDecay);
    }
}
