package dev.kindling.device.cuda;

import jcuda.driver.CUstream;

/** A stream that tells its handle, for libraries that JCuda does not bind. */
public final class CudaStream extends CUstream {
    public long handle() {
        return getNativePointer();
    }
}
