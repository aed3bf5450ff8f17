package dev.kindling.device.cpu.matmul;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.device.cpu.rows.CpuThreads;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIf;

class OneDnnRefusalTest {
    static boolean usable() {
        return OneDnnBf16Matmul.whyNot().isEmpty();
    }

    @Test
    @DisabledIf("usable")
    void saysWhyAndWhatToDo() {
        assertThat(OneDnnBf16Matmul.whyNot().orElseThrow()).contains("use precision fp32");
        try (CpuThreads threads = new CpuThreads(1)) {
            CpuMatmul small = new ScalarMatmul(threads);
            assertThatThrownBy(() -> new OneDnnBf16Matmul(threads, small))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("use precision fp32");
        }
    }
}
