package dev.kindling.nn;

import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.Gpu;
import org.junit.jupiter.api.Assumptions;

/** Training in FP8 beside training in bf16. Skipped without a Hopper GPU. */
class CudaFp8GptTest extends Fp8GptContract {
    @Override
    int steps() {
        return Integer.getInteger("test.repeats", 50);
    }

    @Override
    Device open(boolean fp8) {
        Gpu.require();
        Assumptions.assumeTrue(
                CudaDevice.devices().get(0).compute() == 90, "SKIPPED: FP8 needs a GPU of compute capability 9.0");
        return CudaDevice.open(0, fp8 ? Precision.FP8 : Precision.BF16);
    }
}
