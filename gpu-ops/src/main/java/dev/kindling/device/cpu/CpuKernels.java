package dev.kindling.device.cpu;

import dev.kindling.device.cpu.flash.FlashTiles;
import dev.kindling.device.cpu.flash.ScalarFlashTiles;
import dev.kindling.device.cpu.flash.VectorFlashTiles;
import dev.kindling.device.cpu.matmul.CpuMatmul;
import dev.kindling.device.cpu.matmul.OneDnnMatmul;
import dev.kindling.device.cpu.matmul.ScalarMatmul;
import dev.kindling.device.cpu.matmul.VectorMatmul;
import dev.kindling.device.cpu.rows.CpuThreads;
import dev.kindling.device.cpu.rows.CpuVectors;
import dev.kindling.device.cpu.rows.RowKernels;
import dev.kindling.device.cpu.rows.ScalarRows;
import dev.kindling.device.cpu.rows.VectorRows;
import java.util.function.Function;

/** One set of inner loops, in the Vector API or in plain Java, and the fp32 matrix products that go with it. */
record CpuKernels(String description, RowKernels rows, FlashTiles tiles, Function<CpuThreads, CpuMatmul> products) {

    /** The fastest that this JVM can run. */
    static CpuKernels fastest() {
        return CpuVectors.whyNot().isPresent() ? scalar() : vector();
    }

    static CpuKernels vector() {
        return new CpuKernels("Vector API", new VectorRows(), new VectorFlashTiles(), CpuKernels::vectorProducts);
    }

    /**
     * oneDNN where the CPU has few vector registers (AVX2), which our tiles would need more of; elsewhere the tiles are as
     * fast and need no copies. The choice follows the instruction set alone, so that a machine always computes the same bits.
     */
    private static CpuMatmul vectorProducts(CpuThreads threads) {
        CpuMatmul tiles = new VectorMatmul(threads);
        return VectorMatmul.MANY_REGISTERS || OneDnnMatmul.whyNot().isPresent()
                ? tiles
                : new OneDnnMatmul(threads, tiles);
    }

    static CpuKernels scalar() {
        return new CpuKernels("plain Java", new ScalarRows(), new ScalarFlashTiles(), ScalarMatmul::new);
    }
}
