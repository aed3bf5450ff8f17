package dev.kindling.device.cpu.matmul;

import dev.kindling.device.cpu.rows.CpuThreads;

class VectorMatmulTest extends CpuMatmulContract {
    @Override
    CpuMatmul create(CpuThreads threads) {
        return new VectorMatmul(threads);
    }

    @Override
    double tolerance() {
        return 1e-6;
    }
}
