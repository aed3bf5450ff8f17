package dev.kindling.device.cuda.nccl;

import jcuda.driver.CUstream;

/** A stream that tells its handle, for libraries that JCuda does not bind. */
final class CudaStream extends CUstream {
    long handle() {
        return getNativePointer();
    }
}
