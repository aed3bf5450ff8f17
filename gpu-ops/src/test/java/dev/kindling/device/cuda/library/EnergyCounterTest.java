package dev.kindling.device.cuda.library;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EnergyCounterTest {
    @TempDir
    private Path root;

    /** Without a driver there is no library, and with one no GPU of that name. */
    @Test
    void whatHasNoCounterHasNoEnergy() {
        EnergyCounter none =
                EnergyCounter.of("GPU-00000000-0000-0000-0000-000000000000", new LibrarySearch(Map.of(), root));
        assertThat(none.joules()).isEmpty();
    }
}
