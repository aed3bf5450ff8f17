package dev.kindling.nn;

import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;

class CpuActivationsTest extends ActivationsContract {
    @Override
    Device open() {
        return new CpuDevice(2, Precision.FP32);
    }

    @Override
    double tolerance() {
        return 1e-5;
    }
}
