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

    /** The same with the kernels that run on every GPU from compute capability 8.0. */
    public static CudaDevice.Options withoutWgmma(CudaDevice.Options options) {
        return new CudaDevice.Options(options.precision(), options.tf32(), options.cache(), options.patience(), false);
    }

    static CudaDevice open(Precision precision) {
        require();
        return CudaDevice.open(0, precision);
    }
}
