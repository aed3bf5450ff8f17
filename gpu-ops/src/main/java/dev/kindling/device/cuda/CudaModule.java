package dev.kindling.device.cuda;

import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.device.cuda.library.CudaException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.JCudaDriver;

/** A kernel file, compiled under constants and loaded. */
final class CudaModule implements AutoCloseable {
    private final String name;
    private final CUmodule module = new CUmodule();
    private final Map<String, CudaKernel> kernels = new HashMap<>();
    private final Map<String, Integer> numbers = new HashMap<>();

    /**
     * Loads the module of kernel file {@code name}.
     *
     * @throws CudaException if it publishes another layout of a struct than the one that Java fills
     */
    CudaModule(String name, byte[] cubin) {
        this.name = name;
        CudaCall.check(JCudaDriver.cuModuleLoadData(module, cubin), "load the cubin of %s", name);
        for (StructLayout struct : KernelStructs.of(name)) {
            struct.check(name, global(struct.table()));
        }
    }

    CudaKernel kernel(String entry) {
        return kernels.computeIfAbsent(entry, key -> {
            CUfunction function = new CUfunction();
            CudaCall.check(
                    JCudaDriver.cuModuleGetFunction(function, module, key), "find kernel %s in %s.cu", key, name);
            return new CudaKernel(key, function);
        });
    }

    /** The value of a {@code __device__ const int} of the file. */
    int number(String global) {
        return numbers.computeIfAbsent(global, key -> global(key).getInt(0));
    }

    /** What a global of the file holds. */
    private ByteBuffer global(String global) {
        CUdeviceptr address = new CUdeviceptr();
        long[] bytes = new long[1];
        CudaCall.check(JCudaDriver.cuModuleGetGlobal(address, bytes, module, global), "find %s in %s.cu", global, name);
        ByteBuffer value = ByteBuffer.allocateDirect(Math.toIntExact(bytes[0])).order(ByteOrder.nativeOrder());
        CudaCall.check(
                JCudaDriver.cuMemcpyDtoH(Pointer.to(value), address, bytes[0]), "read %s of %s.cu", global, name);
        return value;
    }

    @Override
    public void close() {
        CudaCall.check(JCudaDriver.cuModuleUnload(module), "unload %s", name);
    }
}
