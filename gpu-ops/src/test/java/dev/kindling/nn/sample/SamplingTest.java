package dev.kindling.nn.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class SamplingTest {
    private static final float[] LOGITS = {9, 9, 1.0f, 3.0f, 2.0f, 0.5f};
    private static final int OFFSET = 2;
    private static final int VOCABULARY = 4;

    private static double[] frequencies(Sampling sampling) {
        double[] frequencies = new double[VOCABULARY];
        SplittableRandom random = new SplittableRandom(42);
        int draws = 40_000;
        for (int i = 0; i < draws; i++) {
            frequencies[sampling.draw(LOGITS, OFFSET, VOCABULARY, random)] += 1.0 / draws;
        }
        return frequencies;
    }

    @Test
    void followsTheSoftmaxAtItsTemperature() {
        double[] frequencies = frequencies(new Sampling(0.7f, 0, 1));
        double total = 0;
        for (int i = 0; i < VOCABULARY; i++) {
            total += Math.exp(LOGITS[OFFSET + i] / 0.7);
        }
        for (int i = 0; i < VOCABULARY; i++) {
            assertThat(frequencies[i]).isCloseTo(Math.exp(LOGITS[OFFSET + i] / 0.7) / total, within(0.01));
        }
    }

    @Test
    void temperatureZeroIsGreedy() {
        assertThat(frequencies(new Sampling(0, 0, 1))[1]).isCloseTo(1, within(1e-9));
    }

    @Test
    void topKKeepsTheLargest() {
        double[] frequencies = frequencies(new Sampling(1, 2, 1));
        assertThat(frequencies[0] + frequencies[3]).isZero();
        assertThat(frequencies[1] / frequencies[2]).isCloseTo(Math.E, within(0.1));
    }

    @Test
    void topPKeepsTheSmallestSetThatReachesIt() {
        // Probabilities 0.61, 0.22, 0.08, 0.05 in falling order: 0.7 needs the first two.
        double[] frequencies = frequencies(new Sampling(1, 0, 0.7f));
        assertThat(frequencies[0] + frequencies[3]).isZero();
        assertThat(frequencies[2]).isGreaterThan(0.2);
    }

    @Test
    void refusesWhatIsOutOfRange() {
        assertThatThrownBy(() -> new Sampling(-1, 0, 1)).hasMessageContaining("temperature");
        assertThatThrownBy(() -> new Sampling(1, -1, 1)).hasMessageContaining("top-k");
        assertThatThrownBy(() -> new Sampling(1, 0, 0)).hasMessageContaining("top-p");
    }
}
