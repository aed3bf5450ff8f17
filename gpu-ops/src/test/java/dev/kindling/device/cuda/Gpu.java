package dev.kindling.device.cuda;

import dev.kindling.device.Precision;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;

/** Gates tests on a GPU: without one they are skipped and say so; under -Dgpu.required=true they fail. */
public final class Gpu {
    private Gpu() {}

    public static void require() {
        CudaDevice.whyNot().ifPresent(reason -> {
            if (Boolean.getBoolean("gpu.required")) {
                Assertions.fail("gpu.required=true, but " + reason);
            }
            Assumptions.abort("SKIPPED, no GPU: " + reason);
        });
    }

    static CudaDevice open(Precision precision) {
        require();
        return CudaDevice.open(0, precision);
    }
}
