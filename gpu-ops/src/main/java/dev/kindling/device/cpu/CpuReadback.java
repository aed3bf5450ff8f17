package dev.kindling.device.cpu;

import dev.kindling.device.Readback;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cpu.rows.CpuBuffer;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;

/** A copy that is made at once. */
final class CpuReadback implements Readback {
    private final Tensor from;
    private final float[] copy;

    CpuReadback(Tensor from) {
        TensorChecks.dense(DType.F32, from.count(), from);
        this.from = from;
        copy = new float[Math.toIntExact(from.count())];
    }

    @Override
    public void enqueue() {
        System.arraycopy(CpuBuffer.floats(from), CpuBuffer.offset(from), copy, 0, copy.length);
    }

    @Override
    public void await(float[] to) {
        System.arraycopy(copy, 0, to, 0, copy.length);
    }

    @Override
    public void close() {}
}
