package dev.kindling.device.cuda;

import dev.kindling.device.Device;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.tensor.DeviceMemoryException;
import java.util.Locale;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/** The allocator: plain cuMemAlloc, counted. */
public final class CudaMemory {
    /** What cuMemAlloc aligns to, and what tensors within one allocation keep. */
    static final int ALIGNMENT = 256;

    static long aligned(long bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    private final CudaContext context;
    private long allocated;
    private long peak;

    CudaMemory(CudaContext context) {
        this.context = context;
    }

    /** Device memory that its owner gives back by {@link #free}. */
    public record Allocation(DeviceAddress address, long bytes) {}

    long allocated() {
        return allocated;
    }

    long peak() {
        return peak;
    }

    /**
     * Memory of at least so many bytes, aligned to {@link #ALIGNMENT}; not emptied.
     *
     * @throws DeviceMemoryException if the device has too little
     */
    public Allocation allocate(String name, long bytes) {
        context.bind();
        if (context.capturing() && !context.rehearsing()) {
            throw new IllegalStateException(String.format(
                    Locale.ROOT, "%s: allocated %,d bytes while a step is captured; allocate before", name, bytes));
        }
        DeviceAddress address = new DeviceAddress();
        int result = JCudaDriver.cuMemAlloc(address, Math.max(bytes, ALIGNMENT));
        if (result == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
            throw shortage(name, bytes);
        }
        CudaCall.check(result, "allocate %,d bytes for %s", bytes, name);
        allocated += bytes;
        peak = Math.max(peak, allocated);
        return new Allocation(address, bytes);
    }

    public void free(Allocation allocation) {
        if (!context.hangs()) {
            context.bind();
            CudaCall.check(JCudaDriver.cuMemFree(allocation.address()), "free %,d bytes", allocation.bytes());
        }
        allocated -= allocation.bytes();
    }

    /** The device's memory, whoever holds it. */
    Device.Memory ofDevice() {
        context.bind();
        long[] free = new long[1];
        long[] total = new long[1];
        CudaCall.check(JCudaDriver.cuMemGetInfo(free, total), "ask for free memory");
        return new Device.Memory(total[0], free[0]);
    }

    private DeviceMemoryException shortage(String name, long bytes) {
        Device.Memory memory = ofDevice();
        String what = String.format(
                Locale.ROOT,
                "out of GPU memory on %s: %s asks for %s; %s of %s are free, this process holds %s",
                context.info(),
                name,
                size(bytes),
                size(memory.free()),
                size(memory.total()),
                size(allocated));
        return new DeviceMemoryException(
                what,
                "lower train.micro_batch (./submit.sh plan says to what) or --batch of other commands, or free the GPU"
                        + " (nvidia-smi lists its users)",
                Math.max(0, bytes - memory.free()));
    }

    static String size(long bytes) {
        return bytes < 1 << 20
                ? String.format(Locale.ROOT, "%,d bytes", bytes)
                : String.format(Locale.ROOT, "%.1f MiB", bytes / 1048576.0);
    }
}
