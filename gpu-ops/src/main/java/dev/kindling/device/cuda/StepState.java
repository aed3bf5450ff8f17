package dev.kindling.device.cuda;

import dev.kindling.device.StepInputs;
import dev.kindling.device.cuda.library.CudaCall;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jcuda.Pointer;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * The device struct StepState of common.cuh: what changes between replays. The host writes its first 32 bytes (seed,
 * stream, learning rate, corrections, loss scale), the kernels write the gradient norm and the clip scale.
 */
final class StepState implements AutoCloseable {
    private static final int BYTES = 64;
    private static final int INPUT_BYTES = 32;
    private static final int STREAM = 8;
    private static final int LOSS_SCALE = 28;
    private static final int GRADIENT_NORM = 32;
    private static final int CLIP_SCALE = 36;

    private final CudaContext context;
    private final DeviceMemory.Block block;
    private final Pointer pinned = new Pointer();
    private final ByteBuffer host;
    private final CUevent copied = new CUevent();

    StepState(CudaContext context) {
        this.context = context;
        this.block = context.memory().allocate("step state", BYTES);
        CudaCall.check(JCudaDriver.cuMemAllocHost(pinned, 2L * BYTES), "pin host memory for the step state");
        this.host = pinned.getByteBuffer(0, 2L * BYTES).order(ByteOrder.nativeOrder());
        CudaCall.check(JCudaDriver.cuEventCreate(copied, CUevent_flags.CU_EVENT_DISABLE_TIMING), "create an event");
        for (int i = 0; i < BYTES; i += 4) {
            host.putInt(i, 0);
        }
        host.putFloat(LOSS_SCALE, 1).putFloat(CLIP_SCALE, 1).putFloat(20, 1).putFloat(24, 1);
        upload(BYTES);
    }

    long address() {
        return block.address().value();
    }

    /** The address of the 64-bit number of the micro-batch. */
    long streamAddress() {
        return address() + STREAM;
    }

    long lossScaleAddress() {
        return address() + LOSS_SCALE;
    }

    void set(StepInputs inputs) {
        context.bind();
        awaitCopy();
        host.putLong(0, inputs.seed()).putLong(STREAM, inputs.stream());
        host.putFloat(16, inputs.learningRate());
        host.putFloat(20, inputs.beta1Correction());
        host.putFloat(24, inputs.beta2Correction());
        host.putFloat(LOSS_SCALE, inputs.lossScale());
        upload(INPUT_BYTES);
    }

    /** Waits for all work, then reads the gradient norm. */
    float gradientNorm() {
        context.synchronize();
        CudaCall.check(
                JCudaDriver.cuMemcpyDtoHAsync(
                        pinned.withByteOffset(BYTES),
                        block.address().withByteOffset(GRADIENT_NORM),
                        4,
                        context.stream()),
                "read the gradient norm");
        context.synchronize();
        return host.getFloat(BYTES);
    }

    private void upload(int bytes) {
        CudaCall.check(
                JCudaDriver.cuMemcpyHtoDAsync(block.address(), pinned, bytes, context.stream()),
                "write the step state");
        CudaCall.check(JCudaDriver.cuEventRecord(copied, context.stream()), "mark the step state's copy");
    }

    private void awaitCopy() {
        int result = JCudaDriver.cuEventQuery(copied);
        if (result == CUresult.CUDA_ERROR_NOT_READY) {
            // The pinned bytes are still to be read: the last step has not begun.
            context.synchronize();
        } else {
            CudaCall.check(result, "finish the step state's copy");
        }
    }

    @Override
    public void close() {
        CudaCall.check(JCudaDriver.cuEventDestroy(copied), "destroy an event");
        CudaCall.check(JCudaDriver.cuMemFreeHost(pinned), "free pinned memory");
        context.memory().free(block);
    }
}
