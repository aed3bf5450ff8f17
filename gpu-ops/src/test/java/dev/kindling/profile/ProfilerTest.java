package dev.kindling.profile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.device.CausalInputs;
import dev.kindling.device.Device;
import dev.kindling.device.Dropout;
import dev.kindling.device.Matmul;
import dev.kindling.device.Precision;
import dev.kindling.device.Replay;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

class ProfilerTest {
    @Test
    void everyOperatorIsTimedUnderItsNameAndComputesAsBefore() {
        try (CpuDevice cpu = new CpuDevice(1, Precision.FP32);
                Profiler profiler = new Profiler(cpu)) {
            Device device = profiler.device();
            Arena arena = device.arena("test");
            Tensor x = arena.allocate("x", DType.F32, 3, 5);
            Tensor product = arena.allocate("product", DType.F32, 3, 3);
            device.ops().fill(x, 2);
            device.ops().matmul(Matmul.of(x, x.transpose(0, 1), product));
            Tensor q = arena.allocate("q", DType.F32, 1, 2, 13, 32);
            device.ops().fill(q, 0.5f);
            Tensor out = arena.allocate("out", DType.F32, 1, 2, 13, 32);
            Tensor logSumExp = arena.allocate("lse", DType.F32, 1, 2, 13);
            device.ops().flash().forward(CausalInputs.of(q, q, q, Dropout.NONE), out, logSumExp);
            float[] values = new float[9];
            device.download(product, values);
            assertThat(values).containsOnly(20f);

            List<Span> spans = profiler.read();
            assertThat(spans)
                    .extracting(Span::operator)
                    .containsExactly("fill", "matmul (3, 3, 5)", "fill", "flash_attention forward");
            for (int i = 0; i < spans.size(); i++) {
                assertThat(spans.get(i).micros()).isPositive();
                double before = i == 0
                        ? 0
                        : spans.get(i - 1).startMicros() + spans.get(i - 1).micros();
                assertThat(spans.get(i).startMicros()).isGreaterThanOrEqualTo(before - 1e-6);
            }
            assertThat(profiler.read()).isEmpty();
        }
    }

    @Test
    void aCapturedStepIsOneOperator() {
        try (CpuDevice cpu = new CpuDevice(1, Precision.FP32);
                Profiler profiler = new Profiler(cpu)) {
            Device device = profiler.device();
            Tensor x = device.arena("test").allocate("x", DType.F32, 7);
            try (Replay replay = device.capture(() -> device.ops().fill(x, 3))) {
                replay.run();
                replay.run();
            }
            assertThat(profiler.read()).extracting(Span::operator).containsExactly("captured step", "captured step");
        }
    }

    @Test
    void theTableSumsByOperatorAndSharesMakeOne() {
        OperatorTable table = OperatorTable.of(
                List.of(new Span("gelu", 0, 10), new Span("matmul (1, 2, 3)", 10, 50), new Span("gelu", 60, 20)));
        assertThat(table.rows()).extracting(OperatorTable.Row::operator).containsExactly("matmul (1, 2, 3)", "gelu");
        OperatorTable.Row gelu = table.rows().get(1);
        assertThat(gelu.calls()).isEqualTo(2);
        assertThat(gelu.selfMicros()).isEqualTo(30);
        assertThat(gelu.averageMicros()).isEqualTo(15);
        assertThat(table.totalMicros()).isEqualTo(80);
        assertThat(table.rows().stream().mapToDouble(OperatorTable.Row::share).sum())
                .isCloseTo(1, within(1e-12));
        assertThat(table.format(1)).contains("62.5%", "1 others", "37.5%").hasLineCount(3);
        assertThat(OperatorTable.of(List.of()).rows()).isEmpty();
    }

    @Test
    void theTraceEscapesItsStrings() throws Exception {
        StringBuilder json = new StringBuilder();
        new ChromeTrace("a \"GPU\" \\ \n", List.of(new Span("x", 1.5, 2.25))).writeTo(json);
        assertThat(json)
                .contains("\"a \\\"GPU\\\" \\\\ \\u000a\"")
                .contains("\"name\":\"x\"", "\"ts\":1.500,\"dur\":2.250");
    }
}
