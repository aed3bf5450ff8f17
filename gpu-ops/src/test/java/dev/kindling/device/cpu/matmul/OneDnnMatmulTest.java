package dev.kindling.device.cpu.matmul;

import dev.kindling.device.cpu.rows.CpuThreads;
import org.junit.jupiter.api.condition.DisabledIf;

@DisabledIf(value = "unusable", disabledReason = "oneDNN does not load on this platform")
class OneDnnMatmulTest extends CpuMatmulContract {
    static boolean unusable() {
        return OneDnnMatmul.whyNot().isPresent();
    }

    @Override
    CpuMatmul create(CpuThreads threads) {
        return new OneDnnMatmul(threads, new VectorMatmul(threads));
    }

    @Override
    double tolerance() {
        return 1e-6;
    }
}
