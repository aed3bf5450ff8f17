package dev.kindling.nn;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.nn.AttentionModule.Sizes;
import dev.kindling.tensor.Arena;
import java.util.Set;
import org.junit.jupiter.api.Test;

class AttentionModuleTest {
    private static float[] output(Sizes sizes, Kind kind) {
        try (CpuDevice device = new CpuDevice(1, Precision.FP32);
                Arena arena = device.arena("test")) {
            AttentionModule module = new AttentionModule(
                    sizes, new Sdpa(device, arena, Set.of(kind)), new Gpt.DeviceArena(device, arena));
            module.forward();
            module.backward();
            float[] values = new float[Math.toIntExact(module.y.count())];
            device.download(module.y, values);
            return values;
        }
    }

    /** The inputs are the same, row by row, so that sequences of full length packed are those of the batch. */
    @Test
    void packedSequencesOfFullLengthGiveTheOutputOfTheBatch() {
        Sizes dense = Sizes.dense(3, 13, 2, 32, 0);
        float[] wanted = output(dense, Kind.FLASH);
        assertThat(wanted).hasSize(3 * 13 * 64);
        assertThat(wanted[0]).isNotZero();
        assertThat(output(dense.packed(13, 13, 13), Kind.FLASH)).isEqualTo(wanted);
        assertThat(output(dense.packed(39), Kind.FLASH)).isNotEqualTo(wanted);
    }
}
