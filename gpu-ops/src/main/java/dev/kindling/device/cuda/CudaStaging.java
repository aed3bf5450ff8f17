package dev.kindling.device.cuda;

import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Locale;
import jcuda.Pointer;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.JCudaDriver;

/**
 * Copies between Java arrays and the device through pinned slots in turn: one is filled while others travel. There are
 * enough of them that small uploads for what comes next do not wait for the work before it.
 */
final class CudaStaging implements AutoCloseable {
    private static final int BYTES = 1 << 20;
    private static final int SLOTS = 8;

    private final CudaContext context;
    private final Pointer pinned = new Pointer();
    private final ByteBuffer[] slots = new ByteBuffer[SLOTS];
    private final CUevent[] copied = new CUevent[SLOTS];
    private int next;

    CudaStaging(CudaContext context) {
        this.context = context;
        context.bind();
        CudaCall.check(
                JCudaDriver.cuMemAllocHost(pinned, (long) SLOTS * BYTES),
                "pin %,d bytes of host memory",
                SLOTS * BYTES);
        for (int i = 0; i < SLOTS; i++) {
            copied[i] = new CUevent();
            slots[i] = pinned.getByteBuffer((long) i * BYTES, BYTES).order(ByteOrder.nativeOrder());
            CudaCall.check(
                    JCudaDriver.cuEventCreate(copied[i], CUevent_flags.CU_EVENT_DISABLE_TIMING), "create an event");
        }
    }

    void upload(FloatBuffer from, Tensor to) {
        check(to, from.remaining(), to.dtype() != DType.I32);
        int start = from.position();
        if (to.dtype() == DType.F32) {
            chunks(to, (slot, chunk) -> slot.asFloatBuffer().put(0, from, start + chunk.first(), chunk.count()));
            return;
        }
        chunks(to, (slot, chunk) -> {
            for (int i = 0; i < chunk.count(); i++) {
                float x = from.get(start + chunk.first() + i);
                switch (to.dtype()) {
                    case BF16 -> slot.putShort(2 * i, HalfPrecision.toBf16(x));
                    case F16 -> slot.putShort(2 * i, HalfPrecision.toF16(x));
                    case BOOL -> slot.put(i, (byte) (x == 0 ? 0 : 1));
                    case F32, I32, E4M3, E5M2 -> throw new IllegalArgumentException("floats into " + to);
                }
            }
        });
    }

    void upload(int[] from, Tensor to) {
        check(to, from.length, to.dtype() == DType.I32);
        chunks(to, (slot, chunk) -> slot.asIntBuffer().put(from, chunk.first(), chunk.count()));
    }

    void download(Tensor from, FloatBuffer to) {
        boolean floating = from.dtype() == DType.F32 || from.dtype() == DType.BF16 || from.dtype() == DType.F16;
        int count = (int) Math.min(from.count(), to.remaining());
        check(from, count, floating);
        context.synchronize();
        int per = BYTES / from.dtype().bytes();
        ArrayRange arriving = count == 0 ? null : fetch(from, new ArrayRange(0, Math.min(per, count)), 0);
        for (int slot = 0; arriving != null; slot = 1 - slot) {
            ArrayRange chunk = arriving;
            int end = chunk.first() + chunk.count();
            // One slot is emptied while the other fills.
            arriving = end == count ? null : fetch(from, new ArrayRange(end, Math.min(per, count - end)), 1 - slot);
            context.await(copied[slot]);
            read(slots[slot], from.dtype(), to.slice(to.position() + chunk.first(), chunk.count()));
        }
    }

    private ArrayRange fetch(Tensor from, ArrayRange chunk, int slot) {
        long size = from.dtype().bytes();
        CudaCall.check(
                JCudaDriver.cuMemcpyDtoHAsync(
                        pinned.withByteOffset((long) slot * BYTES),
                        CudaBuffer.pointer(from).withByteOffset(chunk.first() * size),
                        chunk.count() * size,
                        context.stream()),
                "download %s",
                from);
        CudaCall.check(JCudaDriver.cuEventRecord(copied[slot], context.stream()), "mark a download");
        return chunk;
    }

    static void read(ByteBuffer slot, DType type, FloatBuffer to) {
        if (type == DType.F32) {
            to.put(slot.asFloatBuffer().slice(0, to.remaining()));
            return;
        }
        for (int i = 0; to.hasRemaining(); i++) {
            short bits = slot.getShort(2 * i);
            to.put(type == DType.BF16 ? HalfPrecision.fromBf16(bits) : HalfPrecision.fromF16(bits));
        }
    }

    private record ArrayRange(int first, int count) {}

    private interface Fill {
        void fill(ByteBuffer slot, ArrayRange chunk);
    }

    private void chunks(Tensor to, Fill fill) {
        context.bind();
        int total = Math.toIntExact(to.count());
        int size = to.dtype().bytes();
        int per = BYTES / size;
        for (int first = 0; first < total; first += per) {
            ArrayRange chunk = new ArrayRange(first, Math.min(per, total - first));
            int slot = next;
            next = (next + 1) % SLOTS;
            context.await(copied[slot]);
            fill.fill(slots[slot], chunk);
            CudaCall.check(
                    JCudaDriver.cuMemcpyHtoDAsync(
                            CudaBuffer.pointer(to).withByteOffset((long) first * size),
                            pinned.withByteOffset((long) slot * BYTES),
                            (long) chunk.count() * size,
                            context.stream()),
                    "upload %s",
                    to);
            CudaCall.check(JCudaDriver.cuEventRecord(copied[slot], context.stream()), "mark an upload");
        }
    }

    private void check(Tensor tensor, int length, boolean rightType) {
        if (!rightType || !tensor.isDense() || tensor.count() != length) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "cannot copy %,d values of the host to or from %s", length, tensor));
        }
        if (context.capturing()) {
            throw new IllegalStateException(
                    String.format(Locale.ROOT, "a copy of %s inside a captured step; copy before or after", tensor));
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
