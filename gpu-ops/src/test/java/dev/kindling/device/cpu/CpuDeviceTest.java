package dev.kindling.device.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.CausalInputs;
import dev.kindling.device.Dropout;
import dev.kindling.device.Precision;
import dev.kindling.device.Replay;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.DeviceMemoryException;
import dev.kindling.tensor.Tensor;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class CpuDeviceTest {
    private final CpuDevice device = new CpuDevice(1, Precision.FP32);

    @AfterEach
    void close() {
        device.close();
    }

    @Test
    void countsBytesAndForgetsThemWithTheArena() {
        try (Arena first = device.arena("first");
                Arena second = device.arena("second")) {
            first.allocate("x", DType.F32, 10, 3);
            second.allocate("y", DType.BOOL, 7);
            second.allocate("z", DType.I32, 2);
            assertThat(device.allocatedBytes()).isEqualTo(135);
            second.close();
            second.close();
            assertThat(device.allocatedBytes()).isEqualTo(120);
        }
        assertThat(device.allocatedBytes()).isZero();
        assertThat(device.peakBytes()).isEqualTo(135);
    }

    @Test
    void knowsNoEnergy() {
        assertThat(device.energyJoules()).isEmpty();
    }

    @Test
    void tooLittleMemorySaysWhatToLower() {
        try (Arena arena = device.arena("activations")) {
            assertThatThrownBy(() -> arena.allocate("h.0.attn", DType.F32, 1L << 20, 1L << 14))
                    .isInstanceOf(DeviceMemoryException.class)
                    .hasMessageContaining("activations/h.0.attn")
                    .hasMessageContaining("train.micro_batch");
            assertThatThrownBy(() -> arena.allocate("h.1.attn", DType.F32, Integer.MAX_VALUE - 8))
                    .isInstanceOf(DeviceMemoryException.class)
                    .hasMessageContaining("needs 8,589,934,556 bytes")
                    .hasMessageContaining("-Xmx");
            assertThat(device.allocatedBytes()).isZero();
        }
    }

    @Test
    void memoryOfAClosedArenaIsRefusedByName() {
        Arena arena = device.arena("step");
        Tensor x = arena.allocate("x", DType.F32, 3);
        arena.close();
        assertThatThrownBy(() -> device.ops().fill(x, 1))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("step/x");
        assertThatThrownBy(() -> arena.allocate("y", DType.F32, 3))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("step");
    }

    @Test
    void aReplayRunsTheStep() {
        AtomicInteger runs = new AtomicInteger();
        try (Replay replay = device.capture(runs::incrementAndGet)) {
            assertThat(runs).hasValue(0);
            replay.run();
            replay.run();
        }
        assertThat(runs).hasValue(2);
    }

    @Test
    void efficientAttentionIsRefusedAndNeverReplaced() {
        try (Arena arena = device.arena("x")) {
            Tensor q = arena.allocate("q", DType.F32, 1, 1, 4, 8);
            AttentionInputs inputs = CausalInputs.of(q, q, q, Dropout.NONE);
            assertThat(device.ops().efficient().whyNot(inputs.shape()).orElseThrow())
                    .contains("CUDA only");
            Tensor lse = arena.allocate("lse", DType.F32, 1, 1, 4);
            assertThatThrownBy(() -> device.ops().efficient().forward(inputs, q, lse))
                    .isInstanceOf(UnsupportedOperationException.class)
                    .hasMessageContaining("CUDA only");
        }
    }

    @Test
    void refusesHalfPrecisionStorageAndWrongTypes() {
        try (Arena arena = device.arena("x")) {
            assertThatThrownBy(() -> arena.allocate("w", DType.F16, 3))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("activationType");
            Tensor x = arena.allocate("x", DType.F32, 3);
            assertThatThrownBy(() -> device.upload(new float[4], x))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("x/x");
            assertThatThrownBy(() -> device.ops().add(arena.allocate("i", DType.I32, 3), x))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("I32");
        }
    }
}
