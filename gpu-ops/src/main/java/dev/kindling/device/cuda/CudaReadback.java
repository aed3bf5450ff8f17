package dev.kindling.device.cuda;

import dev.kindling.device.Readback;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import jcuda.Pointer;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.JCudaDriver;

/** A copy into pinned memory of its own, and the event that marks its end. */
final class CudaReadback implements Readback {
    private final CudaContext context;
    private final Tensor from;
    private final long bytes;
    private final Pointer pinned = new Pointer();
    private final FloatBuffer floats;
    private final CUevent copied = new CUevent();

    CudaReadback(CudaContext context, Tensor from) {
        if (from.dtype() != DType.F32 || !from.isDense()) {
            throw new IllegalArgumentException("only a dense F32 tensor is read back, not " + from);
        }
        this.context = context;
        this.from = from;
        bytes = from.count() * from.dtype().bytes();
        context.bind();
        CudaCall.check(JCudaDriver.cuMemAllocHost(pinned, bytes), "pin %,d bytes of host memory", bytes);
        floats = pinned.getByteBuffer(0, bytes).order(ByteOrder.nativeOrder()).asFloatBuffer();
        CudaCall.check(JCudaDriver.cuEventCreate(copied, CUevent_flags.CU_EVENT_DISABLE_TIMING), "create an event");
    }

    @Override
    public void enqueue() {
        context.bind();
        CudaCall.check(
                JCudaDriver.cuMemcpyDtoHAsync(pinned, CudaBuffer.pointer(from), bytes, context.stream()),
                "read back %s",
                from);
        CudaCall.check(JCudaDriver.cuEventRecord(copied, context.stream()), "mark a copy");
    }

    @Override
    public void await(float[] to) {
        context.await(copied);
        floats.get(0, to, 0, floats.capacity());
    }

    @Override
    public void close() {
        context.bind();
        CudaCall.check(JCudaDriver.cuEventDestroy(copied), "destroy an event");
        CudaCall.check(JCudaDriver.cuMemFreeHost(pinned), "free pinned memory");
    }
}
