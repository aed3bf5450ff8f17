package dev.kindling.profile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.attention.AttentionBackend;
import dev.kindling.attention.FlashAttention;
import dev.kindling.attention.MathAttention;
import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.profile.AttentionTimer.Problem;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;

class AttentionTimerTest {
    private static List<float[]> compute(Problem problem, BiFunction<Device, Arena, AttentionBackend> backend) {
        try (Device device = new CpuDevice(2, Precision.FP32);
                AttentionTimer timer = new AttentionTimer(device, problem, DType.F32, backend)) {
            return timer.compute();
        }
    }

    @Test
    void backendsGetTheSameInputsOfMeanZeroAndVarianceOne() {
        Problem one = new Problem(13, 7, 1, 64, DType.F32, true, 0, true);
        List<float[]> math = compute(one, (device, arena) -> new MathAttention(device.ops(), arena));
        // Of one token the output is the value.
        double sum = 0;
        double squares = 0;
        for (float value : math.get(0)) {
            sum += value;
            squares += value * value;
        }
        int n = math.get(0).length;
        assertThat(sum / n).isCloseTo(0, within(0.05));
        assertThat(squares / n).isCloseTo(1, within(0.05));
        List<float[]> flash = compute(one, (device, arena) -> new FlashAttention(device.ops()));
        assertThat(AttentionTimer.relativeError(flash, math)).isLessThan(1e-4);
    }

    @Test
    void whatShouldBeZeroIsMeasuredByTheInputs() {
        float[] zero = new float[207];
        float[] noise = new float[207];
        float[] wrong = new float[207];
        Arrays.fill(noise, 1e-7f);
        Arrays.fill(wrong, 0.1f);
        assertThat(error(zero, zero)).isZero();
        assertThat(error(noise, zero)).isCloseTo(1e-7, within(1e-9));
        assertThat(error(zero, noise)).isCloseTo(1e-7, within(1e-9));
        assertThat(error(wrong, zero)).isCloseTo(0.1, within(1e-6));
        float[] small = new float[207];
        Arrays.fill(small, 1e-3f);
        assertThat(error(zero, small)).isEqualTo(1);
        assertThat(error(new float[] {Float.NaN}, new float[] {0})).isEqualTo(Double.POSITIVE_INFINITY);
    }

    private static double error(float[] got, float[] wanted) {
        return AttentionTimer.relativeError(List.of(got), List.of(wanted));
    }
}
