package dev.kindling.device.cpu;

import java.util.function.Function;

/** The inner loops of one kind, vectors or plain Java, and the fp32 products that go with them. */
record CpuKernels(String description, RowKernels rows, FlashTiles tiles, Function<CpuThreads, CpuMatmul> products) {

    static CpuKernels vector() {
        return new CpuKernels("Vector API", new VectorRows(), new VectorFlashTiles(), VectorMatmul::new);
    }

    static CpuKernels scalar() {
        return new CpuKernels("plain Java", new ScalarRows(), new ScalarFlashTiles(), ScalarMatmul::new);
    }
}
