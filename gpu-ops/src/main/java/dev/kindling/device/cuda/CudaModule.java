package dev.kindling.device.cuda;

import dev.kindling.device.cuda.library.CudaCall;
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

    CudaModule(String name, byte[] cubin) {
        this.name = name;
        CudaCall.check(JCudaDriver.cuModuleLoadData(module, cubin), "load the cubin of %s", name);
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
        return numbers.computeIfAbsent(global, key -> {
            CUdeviceptr address = new CUdeviceptr();
            CudaCall.check(
                    JCudaDriver.cuModuleGetGlobal(address, new long[1], module, key), "find %s in %s.cu", key, name);
            ByteBuffer value = ByteBuffer.allocateDirect(4).order(ByteOrder.nativeOrder());
            CudaCall.check(JCudaDriver.cuMemcpyDtoH(Pointer.to(value), address, 4), "read %s of %s.cu", key, name);
            return value.getInt(0);
        });
    }

    @Override
    public void close() {
        CudaCall.check(JCudaDriver.cuModuleUnload(module), "unload %s", name);
    }
}
