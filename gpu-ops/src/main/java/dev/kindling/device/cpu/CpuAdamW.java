package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.rows.CpuBuffer.floats;
import static dev.kindling.device.cpu.rows.CpuBuffer.offset;

import dev.kindling.device.AdamWOp;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cpu.rows.CpuLoops;
import dev.kindling.device.cpu.rows.CpuStep;
import dev.kindling.device.cpu.rows.RowKernels;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;

/** {@link AdamWOp} in one pass over the range. */
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
        RowKernels.AdamWArrays arrays = arrays(op);
        Tensor working = op.working();
        boolean separate = floats(working) != arrays.p() || offset(working) != arrays.pAt();
        loops.flat((int) count, (at, n) -> {
            loops.kernels().adamW(arrays, at, n);
            if (separate) {
                System.arraycopy(arrays.p(), arrays.pAt() + at, floats(working), offset(working) + at, n);
            }
        });
    }

    private RowKernels.AdamWArrays arrays(AdamWOp op) {
        float rate = step.inputs().learningRate();
        return new RowKernels.AdamWArrays(
                floats(op.parameters()),
                offset(op.parameters()),
                floats(op.gradients()),
                offset(op.gradients()),
                floats(op.m()),
                offset(op.m()),
                floats(op.v()),
                offset(op.v()),
                op.beta1(),
                op.beta2(),
                op.epsilon(),
                step.clipScale(),
                rate / step.inputs().beta1Correction(),
                (float) (1 / Math.sqrt(step.inputs().beta2Correction())),
                rate * op.weightDecay());
    }
}
