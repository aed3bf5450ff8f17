package dev.kindling.device.cuda;

import dev.kindling.device.Device;
import dev.kindling.device.LongSequencesContract;
import dev.kindling.device.OpsContract;
import dev.kindling.device.Precision;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** The contract of all devices on a GPU in bf16, FLASH included. Skipped without a GPU. */
class CudaBf16OpsTest extends OpsContract implements LongSequencesContract {
    private static CudaDevice keepsTheContext;

    @BeforeAll
    static void openFirst() {
        keepsTheContext = Gpu.open(Precision.BF16);
    }

    @AfterAll
    static void closeLast() {
        if (keepsTheContext != null) {
            keepsTheContext.close();
        }
    }

    @Override
    protected Device open() {
        return CudaDevice.open(0, Precision.BF16);
    }
}
