package dev.kindling.device.cuda;

import dev.kindling.tensor.Buffer;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import jcuda.driver.CUdeviceptr;

/** Device memory of a tensor; owned by its arena. */
public final class CudaBuffer implements Buffer {
    private final String name;
    private final DType dtype;
    private final long count;
    private final CUdeviceptr pointer;
    private final long address;
    private boolean freed;

    CudaBuffer(String name, DType dtype, long count, DeviceAddress base, long offset) {
        this.name = name;
        this.dtype = dtype;
        this.count = count;
        this.pointer = base.withByteOffset(offset);
        this.address = base.value() + offset;
    }

    /** The address of a tensor's first element, or 0 for null. */
    public static long address(Tensor tensor) {
        return tensor == null
                ? 0
                : of(tensor).address + tensor.offset() * tensor.dtype().bytes();
    }

    static CUdeviceptr pointer(Tensor tensor) {
        return of(tensor)
                .pointer
                .withByteOffset(tensor.offset() * tensor.dtype().bytes());
    }

    private static CudaBuffer of(Tensor tensor) {
        if (!(tensor.buffer() instanceof CudaBuffer buffer)) {
            throw new IllegalArgumentException(tensor + " is not in CUDA memory");
        }
        if (buffer.freed) {
            throw new IllegalStateException(tensor + " is used after its arena was closed");
        }
        return buffer;
    }

    void markFreed() {
        freed = true;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public DType dtype() {
        return dtype;
    }

    @Override
    public long count() {
        return count;
    }
}
