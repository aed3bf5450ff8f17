package dev.kindling.device.cuda;

import jcuda.driver.CUdeviceptr;

/** A device pointer that tells its address, for kernel arguments. */
public final class DeviceAddress extends CUdeviceptr {
    public long value() {
        return getNativePointer();
    }
}
