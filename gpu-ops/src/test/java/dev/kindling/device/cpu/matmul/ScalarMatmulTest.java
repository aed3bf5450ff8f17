package dev.kindling.device.cpu.matmul;

import dev.kindling.device.cpu.rows.CpuThreads;

class ScalarMatmulTest extends CpuMatmulContract {
    @Override
    CpuMatmul create(CpuThreads threads) {
        return new ScalarMatmul(threads);
    }

    @Override
    double tolerance() {
        return 1e-6;
    }
}
