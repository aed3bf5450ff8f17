package dev.kindling.device.cpu;

import dev.kindling.device.TensorReader;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;

/** A copy in the memory that the tensors lie in. */
final class CpuTensorReader implements TensorReader {
    private final CpuDevice device;
    private boolean closed;

    CpuTensorReader(CpuDevice device) {
        this.device = device;
    }

    /** Nothing to follow: ops have finished when they return. */
    @Override
    public void follow() {}

    @Override
    public synchronized void read(Tensor from, FloatBuffer to) {
        if (closed) {
            throw new IllegalStateException(from + " is read after its reader was closed");
        }
        device.download(from, to);
    }

    @Override
    public synchronized void close() {
        closed = true;
    }
}
