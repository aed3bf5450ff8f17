package dev.kindling.nn;

import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cuda.CudaDevice;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;

/** Packed documents on a GPU in fp32 (MATH and EFFICIENT). Skipped without a GPU; fails then under -Dgpu.required=true. */
class CudaPackedGptTest extends PackedGptContract {
    @Override
    Device open() {
        CudaDevice.whyNot().ifPresent(reason -> {
            if (Boolean.getBoolean("gpu.required")) {
                Assertions.fail("gpu.required=true, but " + reason);
            }
            Assumptions.abort("SKIPPED, no GPU: " + reason);
        });
        return CudaDevice.open(0, Precision.FP32);
    }

    @Override
    double tolerance() {
        return 2e-5;
    }
}
