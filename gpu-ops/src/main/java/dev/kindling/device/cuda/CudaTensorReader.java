package dev.kindling.device.cuda;

import dev.kindling.device.TensorChecks;
import dev.kindling.device.TensorReader;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import jcuda.Pointer;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/** Copies on a stream of its own, through one pinned slot: what empties it is slower than what fills it. */
final class CudaTensorReader implements TensorReader {
    private static final int BYTES = 16 << 20;

    private final CudaContext context;
    private final CUstream stream = new CUstream();
    private final CUevent followed = new CUevent();
    private final CUevent copied = new CUevent();
    private final Pointer pinned = new Pointer();
    private final ByteBuffer slot;
    private boolean closed;

    CudaTensorReader(CudaContext context) {
        this.context = context;
        context.bind();
        CudaCall.check(
                JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING), "create a stream of copies");
        for (CUevent event : new CUevent[] {followed, copied}) {
            CudaCall.check(JCudaDriver.cuEventCreate(event, CUevent_flags.CU_EVENT_DISABLE_TIMING), "create an event");
        }
        CudaCall.check(JCudaDriver.cuMemAllocHost(pinned, BYTES), "pin %,d bytes of host memory", BYTES);
        slot = pinned.getByteBuffer(0, BYTES).order(ByteOrder.nativeOrder());
    }

    @Override
    public void follow() {
        context.bind();
        CudaCall.check(JCudaDriver.cuEventRecord(followed, context.stream()), "mark what is read");
        CudaCall.check(JCudaDriver.cuStreamWaitEvent(stream, followed, 0), "wait for what is read");
    }

    @Override
    public synchronized void read(Tensor from, FloatBuffer to) {
        if (closed) {
            throw new IllegalStateException(from + " is read after its reader was closed");
        }
        TensorChecks.dense(from);
        TensorChecks.count(to.remaining(), from);
        int count = to.remaining();
        int size = from.dtype().bytes();
        int most = BYTES / size;
        context.bind();
        for (int at = 0; at < count; at += most) {
            int n = Math.min(most, count - at);
            CudaCall.check(
                    JCudaDriver.cuMemcpyDtoHAsync(
                            pinned, CudaBuffer.pointer(from).withByteOffset((long) at * size), (long) n * size, stream),
                    "read %s",
                    from);
            CudaCall.check(JCudaDriver.cuEventRecord(copied, stream), "mark a copy");
            context.await(copied);
            CudaStaging.read(slot, from.dtype(), to.slice(to.position() + at, n));
        }
    }

    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        context.bind();
        CudaCall.check(JCudaDriver.cuStreamDestroy(stream), "destroy a stream of copies");
        CudaCall.check(JCudaDriver.cuEventDestroy(followed), "destroy an event");
        CudaCall.check(JCudaDriver.cuEventDestroy(copied), "destroy an event");
        CudaCall.check(JCudaDriver.cuMemFreeHost(pinned), "free pinned memory");
    }
}
