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
 * The struct StepState of common.cuh in device memory: what changes between replays of a captured step. The host writes the
 * fields before the gradient norm ({@link #set}), the kernels write the gradient norm and the clip scale.
 */
final class StepState implements AutoCloseable {
    private static final StructLayout LAYOUT = KernelStructs.STEP_STATE;
    private static final int BYTES = LAYOUT.bytes();
    /** The fields from here on are the kernels' own. */
    private static final int GRADIENT_NORM = LAYOUT.offset("gradNorm");

    private final CudaContext context;
    private final CudaMemory.Allocation block;
    private final Pointer pinned = new Pointer();
    private final ByteBuffer host;
    private final CUevent copied = new CUevent();

    StepState(CudaContext context) {
        this.context = context;
        this.block = context.memory().allocate("step state", BYTES);
        CudaCall.check(JCudaDriver.cuMemAllocHost(pinned, 2L * BYTES), "pin host memory for the step state");
        this.host = pinned.getByteBuffer(0, 2L * BYTES).order(ByteOrder.nativeOrder());
        CudaCall.check(JCudaDriver.cuEventCreate(copied, CUevent_flags.CU_EVENT_DISABLE_TIMING), "create an event");
        inputs(new StepInputs(0, 0, 0, 1, 1, 1))
                .set("gradNorm", 0f)
                .set("clipScale", 1f)
                .checkComplete();
        upload(BYTES);
    }

    long address() {
        return block.address().value();
    }

    long lossScaleAddress() {
        return address() + LAYOUT.offset("lossScale");
    }

    void set(StepInputs inputs) {
        context.bind();
        awaitCopy();
        inputs(inputs);
        upload(GRADIENT_NORM);
    }

    /** Writes the host's fields into the pinned copy. */
    private StructValue inputs(StepInputs inputs) {
        return new StructValue(LAYOUT, host)
                .set("seed", inputs.seed())
                .set("stream", inputs.stream())
                .set("step", inputs.step())
                .set("lr", inputs.learningRate())
                .set("beta1Correction", inputs.beta1Correction())
                .set("beta2Correction", inputs.beta2Correction())
                .set("lossScale", inputs.lossScale());
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
