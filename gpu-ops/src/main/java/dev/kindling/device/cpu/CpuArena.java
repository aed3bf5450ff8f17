package dev.kindling.device.cpu;

import dev.kindling.device.cpu.rows.CpuBuffer;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.DeviceMemoryException;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Heap arrays; closing the arena leaves them to the garbage collector. */
public final class CpuArena implements Arena {
    private final String name;
    private final CpuDevice device;
    private final List<CpuBuffer> buffers = new ArrayList<>();
    private long bytes;
    private boolean closed;

    CpuArena(String name, CpuDevice device) {
        this.name = name;
        this.device = device;
    }

    @Override
    public Tensor allocate(String what, DType dtype, Shape shape) {
        if (closed) {
            throw new IllegalStateException(
                    String.format(Locale.ROOT, "arena %s is closed; %s cannot be allocated", name, what));
        }
        String full = name + "/" + what;
        long count = shape.count();
        if (count > Integer.MAX_VALUE - 8) {
            throw new DeviceMemoryException(String.format(
                    Locale.ROOT,
                    "%s %s has %,d elements but a Java array, in which the CPU computes, holds at most %,d; use a GPU (--device cuda), a smaller model, or a lower train.micro_batch",
                    full,
                    shape,
                    count,
                    Integer.MAX_VALUE - 8));
        }
        CpuBuffer buffer = new CpuBuffer(full, dtype, (int) count, array(full, dtype, (int) count));
        buffers.add(buffer);
        bytes += count * dtype.bytes();
        device.allocated(count * dtype.bytes());
        return Tensor.dense(buffer, 0, shape);
    }

    private static Object array(String what, DType dtype, int count) {
        try {
            return switch (dtype) {
                case F32 -> new float[count];
                case I32 -> new int[count];
                case BOOL -> new byte[count];
                case BF16 -> new short[count];
                case F16, E4M3, E5M2 ->
                    throw new IllegalArgumentException(String.format(
                            Locale.ROOT,
                            "%s asks for %s but the CPU computes in F32; use device.activationType()",
                            what,
                            dtype));
            };
        } catch (OutOfMemoryError tooLittle) {
            Runtime heap = Runtime.getRuntime();
            long free = heap.maxMemory() - heap.totalMemory() + heap.freeMemory();
            throw new DeviceMemoryException(String.format(
                            Locale.ROOT,
                            "%s needs %,d bytes but about %,d of the heap's %,d are free; lower train.micro_batch, or raise the",
                            what,
                            (long) count * dtype.bytes(),
                            free,
                            heap.maxMemory())
                    + " heap (-Xmx, spark.executor.memory)");
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            buffers.forEach(CpuBuffer::release);
            device.released(this, bytes);
        }
    }
}
