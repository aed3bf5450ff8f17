package dev.kindling.nn;

import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cuda.CudaDevice;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;

/** A GPU in bf16, which runs all backends. Skipped without a GPU; fails then under -Dgpu.required=true. */
class CudaActivationsTest extends ActivationsContract {
    @Override
    Device open() {
        CudaDevice.whyNot().ifPresent(reason -> {
            if (Boolean.getBoolean("gpu.required")) {
                Assertions.fail("gpu.required=true, but " + reason);
            }
            Assumptions.abort("SKIPPED, no GPU: " + reason);
        });
        return CudaDevice.open(0, Precision.BF16);
    }

    @Override
    double tolerance() {
        return 1e-2;
    }

    @Override
    boolean chunksAreExact() {
        return false;
    }
}
