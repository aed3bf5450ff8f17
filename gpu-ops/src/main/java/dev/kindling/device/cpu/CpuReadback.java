package dev.kindling.device.cpu;

import dev.kindling.device.Readback;
import dev.kindling.device.cpu.rows.CpuBuffer;
import dev.kindling.tensor.Tensor;

/** A copy that is made at once. */
final class CpuReadback implements Readback {
    private final Tensor from;
    private final float[] copy;

    CpuReadback(Tensor from) {
        CpuArguments.requireFloats("what is read back", from, from.count());
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
