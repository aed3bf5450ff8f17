package dev.kindling.device.cpu.matmul;

import dev.kindling.device.cpu.rows.CpuThreads;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** Where the jar carries oneDNN, it has to load. */
@EnabledOnOs(value = OS.LINUX, architectures = "amd64", disabledReason = "the jar carries oneDNN for Linux on x86-64")
class OneDnnMatmulTest extends CpuMatmulContract {
    @Override
    CpuMatmul create(CpuThreads threads) {
        return new OneDnnMatmul(threads, new VectorMatmul(threads));
    }

    @Override
    double tolerance() {
        return 1e-6;
    }
}
