package dev.kindling.device.cuda;

import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import jcuda.Pointer;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.JCudaDriver;

/** Copies between Java arrays and the device through two pinned buffers in turn: one is filled while one travels. */
final class Staging implements AutoCloseable {
    private static final int BYTES = 4 << 20;

    private final CudaContext context;
    private final Pointer pinned = new Pointer();
    private final ByteBuffer[] halves = new ByteBuffer[2];
    private final CUevent[] copied = {new CUevent(), new CUevent()};
    private int next;

    Staging(CudaContext context) {
        this.context = context;
        context.bind();
        CudaCall.check(JCudaDriver.cuMemAllocHost(pinned, 2L * BYTES), "pin %,d bytes of host memory", 2 * BYTES);
        for (int i = 0; i < 2; i++) {
            halves[i] = pinned.getByteBuffer((long) i * BYTES, BYTES).order(ByteOrder.nativeOrder());
            CudaCall.check(
                    JCudaDriver.cuEventCreate(copied[i], CUevent_flags.CU_EVENT_DISABLE_TIMING), "create an event");
        }
    }

    void upload(float[] from, Tensor to) {
        check(to, from.length, to.dtype() != DType.I32);
        if (to.dtype() == DType.F32) {
            chunks(to, (half, chunk) -> half.asFloatBuffer().put(from, chunk.first(), chunk.count()));
            return;
        }
        chunks(to, (half, chunk) -> {
            for (int i = 0; i < chunk.count(); i++) {
                float x = from[chunk.first() + i];
                switch (to.dtype()) {
                    case BF16 -> half.putShort(2 * i, HalfPrecision.toBf16(x));
                    case F16 -> half.putShort(2 * i, HalfPrecision.toF16(x));
                    case BOOL -> half.put(i, (byte) (x == 0 ? 0 : 1));
                    case F32, I32 -> throw new IllegalArgumentException("floats into " + to);
                }
            }
        });
    }

    void upload(int[] from, Tensor to) {
        check(to, from.length, to.dtype() == DType.I32);
        chunks(to, (half, chunk) -> half.asIntBuffer().put(from, chunk.first(), chunk.count()));
    }

    void download(Tensor from, float[] to, int offset) {
        boolean floating = from.dtype() == DType.F32 || from.dtype() == DType.BF16 || from.dtype() == DType.F16;
        int count = (int) Math.min(from.count(), to.length - offset);
        check(from, count, floating);
        context.synchronize();
        int per = BYTES / from.dtype().bytes();
        Chunk arriving = count == 0 ? null : fetch(from, new Chunk(0, Math.min(per, count)), 0);
        for (int half = 0; arriving != null; half = 1 - half) {
            Chunk chunk = arriving;
            int end = chunk.first() + chunk.count();
            // One half is emptied while the other fills.
            arriving = end == count ? null : fetch(from, new Chunk(end, Math.min(per, count - end)), 1 - half);
            context.await(copied[half]);
            read(halves[half], from.dtype(), FloatBuffer.wrap(to, offset + chunk.first(), chunk.count()));
        }
    }

    private Chunk fetch(Tensor from, Chunk chunk, int half) {
        long size = from.dtype().bytes();
        CudaCall.check(
                JCudaDriver.cuMemcpyDtoHAsync(
                        pinned.withByteOffset((long) half * BYTES),
                        CudaBuffer.pointer(from).withByteOffset(chunk.first() * size),
                        chunk.count() * size,
                        context.stream()),
                "download %s",
                from);
        CudaCall.check(JCudaDriver.cuEventRecord(copied[half], context.stream()), "mark a download");
        return chunk;
    }

    private static void read(ByteBuffer half, DType type, FloatBuffer to) {
        if (type == DType.F32) {
            to.put(half.asFloatBuffer().slice(0, to.remaining()));
            return;
        }
        for (int i = 0; to.hasRemaining(); i++) {
            short bits = half.getShort(2 * i);
            to.put(type == DType.BF16 ? HalfPrecision.fromBf16(bits) : HalfPrecision.fromF16(bits));
        }
    }

    private record Chunk(int first, int count) {}

    private interface Fill {
        void fill(ByteBuffer half, Chunk chunk);
    }

    private void chunks(Tensor to, Fill fill) {
        context.bind();
        int total = Math.toIntExact(to.count());
        int size = to.dtype().bytes();
        int per = BYTES / size;
        for (int first = 0; first < total; first += per) {
            Chunk chunk = new Chunk(first, Math.min(per, total - first));
            int half = next;
            next = 1 - next;
            context.await(copied[half]);
            fill.fill(halves[half], chunk);
            CudaCall.check(
                    JCudaDriver.cuMemcpyHtoDAsync(
                            CudaBuffer.pointer(to).withByteOffset((long) first * size),
                            pinned.withByteOffset((long) half * BYTES),
                            (long) chunk.count() * size,
                            context.stream()),
                    "upload %s",
                    to);
            CudaCall.check(JCudaDriver.cuEventRecord(copied[half], context.stream()), "mark an upload");
        }
    }

    private void check(Tensor tensor, int length, boolean rightType) {
        if (!rightType || !tensor.isDense() || tensor.count() != length) {
            throw new IllegalArgumentException(
                    "cannot copy %,d values of the host to or from %s".formatted(length, tensor));
        }
        if (context.capturing()) {
            throw new IllegalStateException(
                    "a copy of %s inside a captured step; copy before or after".formatted(tensor));
        }
    }

    @Override
    public void close() {
        for (CUevent event : copied) {
            CudaCall.check(JCudaDriver.cuEventDestroy(event), "destroy an event");
        }
        CudaCall.check(JCudaDriver.cuMemFreeHost(pinned), "free pinned memory");
    }
}
