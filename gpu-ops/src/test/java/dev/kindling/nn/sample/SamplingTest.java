package dev.kindling.nn.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
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

    /** Against a sort of all tokens, with ties, zeros of both signs and infinities. */
    @Test
    void theLargestAreThoseOfASort() {
        SplittableRandom random = new SplittableRandom(7);
        float[] special = {0f, -0f, Float.NEGATIVE_INFINITY, Float.POSITIVE_INFINITY, -3};
        for (int vocabulary : new int[] {1, 2, 3, 200, 1000}) {
            float[] logits = new float[vocabulary + OFFSET];
            for (int i = 0; i < logits.length; i++) {
                logits[i] = random.nextInt(4) == 0 ? special[random.nextInt(5)] : random.nextInt(-20, 20) / 4f;
            }
            List<Integer> sorted = IntStream.range(0, vocabulary)
                    .boxed()
                    .sorted((a, b) -> Float.compare(logits[OFFSET + b], logits[OFFSET + a]))
                    .toList();
            assertThat(new Sampling(0, 0, 1).draw(logits, OFFSET, vocabulary, random))
                    .isEqualTo(sorted.get(0));
            for (int k : new int[] {1, 2, 7, 200, 5000}) {
                assertThat(Sampling.largest(logits, OFFSET, vocabulary, Math.min(k, vocabulary)))
                        .containsExactly(sorted.stream()
                                .limit(k)
                                .mapToInt(Integer::intValue)
                                .toArray());
            }
        }
    }

    @Test
    void refusesWhatIsOutOfRange() {
        assertThatThrownBy(() -> new Sampling(-1, 0, 1)).hasMessageContaining("temperature");
        assertThatThrownBy(() -> new Sampling(1, -1, 1)).hasMessageContaining("top-k");
        assertThatThrownBy(() -> new Sampling(1, 0, 0)).hasMessageContaining("top-p");
    }
}
