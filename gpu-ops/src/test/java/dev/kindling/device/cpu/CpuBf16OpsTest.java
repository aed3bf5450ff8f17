package dev.kindling.device.cpu;

import static org.assertj.core.api.Assumptions.assumeThat;

import dev.kindling.device.Device;
import dev.kindling.device.OpsContract;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.matmul.OneDnnBf16Matmul;

class CpuBf16OpsTest extends OpsContract {
    @Override
    protected Device open() {
        assumeThat(OneDnnBf16Matmul.whyNot()).isEmpty();
        return new CpuDevice(2, Precision.BF16);
    }
}
