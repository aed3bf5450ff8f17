package dev.kindling.nn;

import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;

/** The model's part of training in FP8, over operations in plain Java, beside training in fp32. */
class HostFp8GptTest extends Fp8GptContract {
    @Override
    int steps() {
        return 3;
    }

    @Override
    Device open(boolean fp8) {
        Device device = new CpuDevice(2, Precision.FP32);
        return fp8 ? HostFp8.over(device) : device;
    }
}
