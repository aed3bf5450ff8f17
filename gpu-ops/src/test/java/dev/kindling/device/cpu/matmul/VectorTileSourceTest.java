package dev.kindling.device.cpu.matmul;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class VectorTileSourceTest {
    static Iterable<VectorTileSource> tiles() {
        return VectorTileSource.ALL;
    }

    @ParameterizedTest
    @MethodSource("tiles")
    void theCheckedInTileIsWhatTheGeneratorWrites(VectorTileSource tile) {
        assertThat(tile.checkedIn()).isEqualTo(tile.text());
    }
}
