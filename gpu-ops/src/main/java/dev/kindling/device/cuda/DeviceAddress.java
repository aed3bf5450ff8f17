package dev.kindling.device.cuda;

import jcuda.driver.CUdeviceptr;

/** A device pointer that tells its address, for kernel arguments. */
final class DeviceAddress extends CUdeviceptr {
    long value() {
        return getNativePointer();
    }
}
