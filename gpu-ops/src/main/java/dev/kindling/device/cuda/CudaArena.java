package dev.kindling.device.cuda;

import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Large tensors get a block of their own, small ones share slabs. */
final class CudaArena implements Arena {
    private static final long SLAB_BYTES = 2 << 20;
    private static final long SHARED_BELOW = SLAB_BYTES / 4;

    private final String name;
    private final CudaMemory memory;
    private final Runnable onClose;
    private final List<CudaMemory.Allocation> blocks = new ArrayList<>();
    private final List<CudaBuffer> buffers = new ArrayList<>();
    private CudaMemory.Allocation slab;
    private long slabUsed;
    private boolean closed;

    CudaArena(String name, CudaMemory memory, Runnable onClose) {
        this.name = name;
        this.memory = memory;
        this.onClose = onClose;
    }

    @Override
    public Tensor allocate(String tensorName, DType dtype, Shape shape) {
        if (closed) {
            throw new IllegalStateException(
                    String.format(Locale.ROOT, "arena %s is closed; cannot allocate %s", name, tensorName));
        }
        String full = name + "/" + tensorName;
        long wanted = Math.multiplyExact(shape.count(), dtype.bytes());
        CudaBuffer buffer;
        if (wanted >= SHARED_BELOW) {
            buffer = new CudaBuffer(
                    full, dtype, shape.count(), block(full, wanted).address(), 0);
        } else {
            if (slab == null || slabUsed + wanted > slab.bytes()) {
                slab = block(full, SLAB_BYTES);
                slabUsed = 0;
            }
            buffer = new CudaBuffer(full, dtype, shape.count(), slab.address(), slabUsed);
            slabUsed += (wanted + CudaMemory.ALIGNMENT - 1) / CudaMemory.ALIGNMENT * CudaMemory.ALIGNMENT;
        }
        buffers.add(buffer);
        return Tensor.dense(buffer, 0, shape);
    }

    private CudaMemory.Allocation block(String full, long wanted) {
        CudaMemory.Allocation block = memory.allocate(full, wanted);
        blocks.add(block);
        return block;
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        buffers.forEach(CudaBuffer::markFreed);
        blocks.forEach(memory::free);
        onClose.run();
    }
}
