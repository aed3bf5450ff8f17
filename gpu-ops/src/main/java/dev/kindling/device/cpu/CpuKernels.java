package dev.kindling.device.cpu;

/** The inner loops of one kind, vectors or plain Java. */
record CpuKernels(RowKernels rows, FlashTiles tiles, String description) {

    static CpuKernels scalar() {
        return new CpuKernels(new ScalarRows(), new ScalarFlashTiles(), "plain Java");
    }
}
