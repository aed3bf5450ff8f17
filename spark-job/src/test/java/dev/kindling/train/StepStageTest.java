package dev.kindling.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StepStageTest {
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void everyRunDoesTheWorkOnce(boolean compiled) {
        AtomicInteger done = new AtomicInteger();
        try (Device device = new CpuDevice(1, Precision.FP32);
                StepStage stage = new StepStage(device, compiled, done::incrementAndGet)) {
            for (int run = 1; run <= 4; run++) {
                stage.run();
                assertThat(done).hasValue(run);
            }
        }
    }
}
