package dev.kindling.data.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import dev.kindling.data.shard.ArrayTokens;
import dev.kindling.data.shard.TokenSequence;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BatchSamplerTest {
    /** Token i has id i, so that a window tells where it was cut. */
    private static final TokenSequence TOKENS =
            ArrayTokens.of(IntStream.range(0, 1000).toArray());

    @ParameterizedTest
    @CsvSource({"1,1", "3,13", "12,64", "2,999"})
    void targetsAreTheInputsShiftedByOne(int B, int T) {
        BatchSampler sampler = new BatchSampler(TOKENS, B, T, 1337);
        for (int step = 0; step < 50; step++) {
            Batch batch = sampler.sample(step, 0);
            assertThat(batch.inputs()).hasSize(B * T);
            for (int row = 0; row < B; row++) {
                int start = batch.inputs()[row * T];
                for (int t = 0; t < T; t++) {
                    assertThat(batch.inputs()[row * T + t]).isEqualTo(start + t);
                    assertThat(batch.targets()[row * T + t]).isEqualTo(start + t + 1);
                }
            }
        }
    }

    @Test
    void isAPureFunctionOfSeedStepAndMicroBatch() {
        BatchSampler one = new BatchSampler(TOKENS, 5, 13, 1337);
        BatchSampler other = new BatchSampler(TOKENS, 5, 13, 1337);
        int[] late = one.sample(7, 3).inputs();
        for (int step = 9; step >= 0; step--) {
            other.sample(step, 3);
        }
        assertThat(other.sample(7, 3).inputs()).isEqualTo(late);
        assertThat(other.sample(7, 2).inputs()).isNotEqualTo(late);
        assertThat(other.sample(8, 3).inputs()).isNotEqualTo(late);
        assertThat(new BatchSampler(TOKENS, 5, 13, 1338).sample(7, 3).inputs()).isNotEqualTo(late);
    }

    @Test
    void doesNotDependOnHowAStepIsDividedIntoMicroBatches() {
        int[] whole = new BatchSampler(TOKENS, 12, 13, 1).sample(4, 0).inputs();
        BatchSampler parts = new BatchSampler(TOKENS, 4, 13, 1);
        int[] joined = IntStream.range(0, 3)
                .mapToObj(m -> parts.sample(4, m).inputs())
                .flatMapToInt(Arrays::stream)
                .toArray();
        assertThat(joined).isEqualTo(whole);
    }

    @Test
    void neverChangesWhatASeedGives() {
        // A resumed run must see the batches of the release that began it. Computed apart, in Python.
        assertThat(new BatchSampler(TOKENS, 4, 1, 1337).sample(0, 0).inputs()).containsExactly(354, 826, 496, 994);
    }

    @Test
    void drawsEveryStartAboutEquallyOften() {
        int T = 900;
        int starts = 100;
        int[] counts = new int[starts];
        BatchSampler sampler = new BatchSampler(TOKENS, 10, T, 5);
        for (int step = 0; step < 5000; step++) {
            Batch batch = sampler.sample(step, step % 3);
            for (int row = 0; row < 10; row++) {
                counts[batch.inputs()[row * T]]++;
            }
        }
        // 500 a start; the chi-square of 99 degrees of freedom is below 149 in 999 of 1000 seeds.
        double chiSquare = Arrays.stream(counts)
                .mapToDouble(c -> (c - 500.0) * (c - 500.0) / 500)
                .sum();
        assertThat(chiSquare).isBetween(50.0, 149.0);
    }

    @Test
    void needsOneWindowAndTheTokenAfterIt() {
        assertThat(new BatchSampler(TOKENS, 2, 999, 1).sample(0, 0).targets()[998])
                .isEqualTo(999);
        assertThatThrownBy(() -> new BatchSampler(TOKENS, 2, 1000, 1))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("the sequence has 1,000 tokens, fewer than one window of block_size + 1 = 1,001");
        assertThatThrownBy(() -> new BatchSampler(TOKENS, 0, 5, 1)).isInstanceOf(DataException.class);
        assertThatThrownBy(() -> new BatchSampler(TOKENS, 1, 0, 1)).isInstanceOf(DataException.class);
    }
}
