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
import dev.kindling.tensor.Tensor;
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
        TensorChecks.dense(DType.F32, count, op.parameters(), op.working());
        TensorChecks.dense(op.gradients().dtype(), count, op.gradients());
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
        loops.flat(to - from, (at, n) -> {
            Floats gradients = Floats.of(op.gradients(), from, at, n);
            Floats m = Floats.of(op.m(), from, at, n);
            Floats v = Floats.of(op.v(), from, at, n);
            loops.kernels().adamW(arrays(op, from, gradients, m, v, weightDecay), at, n);
            if (op.m().dtype() == DType.BF16) {
                round(op, from + at, m, v, n);
            }
            if (separate) {
                System.arraycopy(weights, weightsAt + at, working, workingAt + at, n);
            }
        });
    }

    private void round(AdamWOp op, int from, Floats m, Floats v, int n) {
        new RandomRounding(step)
                .moments(
                        op.first() + from,
                        m.values(),
                        v.values(),
                        CpuBuffer.halves(op.m()),
                        offset(op.m()) + from,
                        CpuBuffer.halves(op.v()),
                        offset(op.v()) + from,
                        n);
    }

    /**
     * A tensor's elements as floats: its own array or, of bf16, a block that is widened.
     *
     * @param at where element {@code from} of the tensor is, or would be
     */
    @SuppressWarnings("ArrayRecordComponent") // a view that nobody compares
    private record Floats(float[] values, int at) {
        /** Elements {@code from + at} on, n of them. */
        static Floats of(Tensor tensor, int from, int at, int n) {
            if (tensor.dtype() == DType.F32) {
                return new Floats(floats(tensor), offset(tensor) + from);
            }
            float[] wide = new float[n];
            Bf16Rows.get(ShortBuffer.wrap(CpuBuffer.halves(tensor), offset(tensor) + from + at, n), wide, 0, n);
            return new Floats(wide, -at);
        }
    }

    private RowKernels.AdamWArrays arrays(
            AdamWOp op, int from, Floats gradients, Floats m, Floats v, float weightDecay) {
        float rate = step.inputs().learningRate();
        return new RowKernels.AdamWArrays(
                floats(op.parameters()),
                offset(op.parameters()) + from,
                gradients.values(),
                gradients.at(),
                m.values(),
                m.at(),
                v.values(),
                v.at(),
                op.beta1(),
                op.beta2(),
                op.epsilon(),
                step.clipScale(),
                rate / step.inputs().beta1Correction(),
                (float) (1 / Math.sqrt(step.inputs().beta2Correction())),
                rate * weightDecay);
    }
}
