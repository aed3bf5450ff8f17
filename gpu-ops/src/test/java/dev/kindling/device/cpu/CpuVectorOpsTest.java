package dev.kindling.device.cpu;

import dev.kindling.device.Device;
import dev.kindling.device.LongSequencesContract;
import dev.kindling.device.OpsContract;
import dev.kindling.device.Precision;

class CpuVectorOpsTest extends OpsContract implements LongSequencesContract {
    @Override
    protected Device open() {
        return new CpuDevice(2, Precision.FP32, CpuKernels.vector());
    }
}
