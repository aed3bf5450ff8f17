package dev.kindling.device.cpu.matmul;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.device.cpu.rows.Bf16Rows;
import dev.kindling.device.cpu.rows.CpuThreads;
import java.nio.ShortBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIf;

@DisabledIf(value = "unusable", disabledReason = "this CPU or platform has no bf16 products by oneDNN")
class OneDnnBf16MatmulTest extends CpuMatmulContract {
    static boolean unusable() {
        return OneDnnBf16Matmul.whyNot().isPresent();
    }

    @Override
    CpuMatmul create(CpuThreads threads) {
        return new OneDnnBf16Matmul(threads, new VectorMatmul(threads));
    }

    /** Each factor is rounded by at most 2^-8 of itself. */
    @Override
    double tolerance() {
        return 0x1.01p-7;
    }

    @Test
    void infinitiesAndNansSurviveTheRounding() {
        float[] specials = {Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.NaN, 1f, -0f, 0x1.01p0f};
        float[] rounded = new float[specials.length];
        ShortBuffer bits = ShortBuffer.allocate(specials.length);
        Bf16Rows.put(specials, 0, specials.length, bits);
        Bf16Rows.get(bits.flip(), rounded, 0, specials.length);
        // 1 + 2^-8 lies between two bf16 numbers and goes to the even one.
        assertThat(rounded).containsExactly(Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.NaN, 1f, -0f, 1f);
    }
}
