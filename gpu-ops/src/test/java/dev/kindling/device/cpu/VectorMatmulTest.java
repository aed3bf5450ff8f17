package dev.kindling.device.cpu;

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
