package dev.kindling.device.cuda.peer;

import com.sun.jna.Memory;
import com.sun.jna.Structure;
import com.sun.jna.ptr.LongByReference;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.device.cuda.library.CudaLibraries;

/**
 * CUDA's memory handles between processes of one host. By JNA, since JCuda keeps a handle's bytes to itself. The context is
 * bound to the calling thread.
 */
final class Ipc {
    /** CU_IPC_HANDLE_SIZE. */
    static final int HANDLE_BYTES = 64;

    private static final int LAZY_ENABLE_PEER_ACCESS = 1;

    private Ipc() {}

    /** CUipcMemHandle, which the driver takes by value. */
    @Structure.FieldOrder("reserved")
    public static final class MemoryHandle extends Structure implements Structure.ByValue {
        public byte[] reserved = new byte[HANDLE_BYTES];

        static MemoryHandle of(byte[] bytes) {
            MemoryHandle handle = new MemoryHandle();
            handle.reserved = bytes.clone();
            return handle;
        }
    }

    /** A memory allocation: where it begins. */
    static long base(long address) {
        LongByReference base = new LongByReference();
        int result =
                CudaLibraries.load().driver("cuMemGetAddressRange_v2").invokeInt(new Object[] {base, null, address});
        CudaCall.check(result, "find the allocation of device memory at %x", address);
        return base.getValue();
    }

    /** The handle of the allocation that begins at an address. */
    static byte[] handle(long base) {
        Memory handle = new Memory(HANDLE_BYTES);
        int result = CudaLibraries.load().driver("cuIpcGetMemHandle").invokeInt(new Object[] {handle, base});
        CudaCall.check(result, "share device memory at %x with other processes", base);
        return handle.getByteArray(0, HANDLE_BYTES);
    }

    /** Maps another process's allocation; where it begins here. */
    static long open(byte[] handle) {
        LongByReference address = new LongByReference();
        int result = CudaLibraries.load()
                .driver("cuIpcOpenMemHandle_v2")
                .invokeInt(new Object[] {address, MemoryHandle.of(handle), LAZY_ENABLE_PEER_ACCESS});
        CudaCall.check(result, "map the device memory of another process");
        return address.getValue();
    }

    static void close(long address) {
        int result = CudaLibraries.load().driver("cuIpcCloseMemHandle").invokeInt(new Object[] {address});
        CudaCall.check(result, "unmap the device memory of another process");
    }
}
