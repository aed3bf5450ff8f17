package dev.kindling.device.cuda.peer;

import dev.kindling.device.cuda.CudaBuffer;
import dev.kindling.device.cuda.CudaContext;
import dev.kindling.device.cuda.CudaMemory;
import dev.kindling.device.cuda.CudaPeerSums;
import dev.kindling.device.cuda.CudaStream;
import dev.kindling.device.cuda.DeviceAddress;
import dev.kindling.device.cuda.collective.RankGroup;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.Function;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.JCudaDriver;

/**
 * A mailbox of each rank, in its GPU's memory, which all ranks read: how many barriers it has reached, whether it has left,
 * and a slot for what is small. Everything is enqueued on one stream, in the same order on every rank.
 */
final class Mailboxes implements AutoCloseable {
    /** The count of barriers, whether the rank has left, then the slot. Of its own size, so that no other memory is shared. */
    private static final long BYTES = 2 << 20;

    private static final long SLOT = 4096;
    private static final long SLOT_BYTES = BYTES - SLOT;

    private final CudaContext context;
    private final CudaStream stream;
    private final RankGroup group;
    private final CudaPeerSums kernels;
    private final Pointer pinned = new Pointer();
    private final ByteBuffer broken;
    private final long brokenAddress;
    private final CudaMemory.Allocation own;
    private MappedMemory mailboxes;
    private long slots;

    /** This rank's own, emptied once the stream gets there; then {@link #map}. */
    Mailboxes(CudaContext context, CudaStream stream, RankGroup group) {
        this.context = context;
        this.stream = stream;
        this.group = group;
        kernels = new CudaPeerSums(context, stream);
        own = context.memory().allocate("mailbox", BYTES);
        CudaCall.check(JCudaDriver.cuMemsetD8Async(own.address(), (byte) 0, BYTES, stream), "clear the mailbox");
        CudaCall.check(
                JCudaDriver.cuMemHostAlloc(pinned, Integer.BYTES, JCudaDriver.CU_MEMHOSTALLOC_DEVICEMAP),
                "pin a word of host memory");
        broken = pinned.getByteBuffer(0, Integer.BYTES).order(ByteOrder.nativeOrder());
        broken.putInt(0, 0);
        DeviceAddress address = new DeviceAddress();
        CudaCall.check(JCudaDriver.cuMemHostGetDevicePointer(address, pinned, 0), "map a word of host memory");
        brokenAddress = address.value();
    }

    /** Every rank calls it once its mailbox is empty. */
    void map(Function<byte[], byte[][]> tellAll) {
        mailboxes = MappedMemory.of(context.memory(), address(), group, tellAll);
        slots = mailboxes.table(SLOT);
    }

    private long address() {
        return own.address().value();
    }

    /** The stream goes on when those of all ranks have come here, or the group has broken up. */
    void barrier() {
        kernels.barrier(mailboxes.table(), brokenAddress, group.rank(), group.worldSize());
    }

    /** x (F32) = its sum over the ranks, in their order, or the largest. */
    void combine(Tensor x, boolean largest) {
        if (x.dtype() != DType.F32) {
            throw new IllegalArgumentException(x + " is neither shared nor F32");
        }
        long most = SLOT_BYTES / Float.BYTES;
        for (long at = 0; at < x.count(); at += most) {
            long count = Math.min(most, x.count() - at);
            long address = CudaBuffer.address(x) + at * Float.BYTES;
            copy(address() + SLOT, address, count * Float.BYTES);
            barrier();
            kernels.combine(largest, address, slots, group.worldSize(), count);
            barrier();
        }
    }

    /** The ranks' {@code bytes} at {@code address}, one after another, of which each has put its own in place. */
    void allGather(long address, long bytes) {
        for (long at = 0; at < bytes; at += SLOT_BYTES) {
            long count = Math.min(SLOT_BYTES, bytes - at);
            copy(address() + SLOT, address + group.rank() * bytes + at, count);
            barrier();
            for (int peer = 0; peer < group.worldSize(); peer++) {
                if (peer != group.rank()) {
                    copy(address + peer * bytes + at, mailboxes.address(peer) + SLOT, count);
                }
            }
            barrier();
        }
    }

    /** A copy between addresses of this or other GPUs, by a copy engine. */
    void copy(long to, long from, long bytes) {
        if (bytes > 0) {
            CudaCall.check(
                    JCudaDriver.cuMemcpyAsync(pointer(to), pointer(from), bytes, stream),
                    "copy %,d bytes between ranks",
                    bytes);
        }
    }

    private static CUdeviceptr pointer(long address) {
        return new CUdeviceptr().withByteOffset(address);
    }

    /** Ends all waits, now and later. */
    void breakUp() {
        broken.putInt(0, 1);
    }

    /** The stream must be idle. */
    @Override
    public void close() {
        if (mailboxes != null) {
            mailboxes.close();
        }
        context.memory().free(own);
        CudaCall.check(JCudaDriver.cuMemFreeHost(pinned), "free pinned memory");
    }
}
