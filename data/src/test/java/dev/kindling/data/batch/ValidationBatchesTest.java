package dev.kindling.data.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import dev.kindling.data.shard.ArrayTokens;
import dev.kindling.data.shard.TokenSequence;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ValidationBatchesTest {
    private static final TokenSequence TOKENS =
            ArrayTokens.of(IntStream.range(0, 1000).toArray());

    @Test
    void placesWindowsEvenlyFromTheFirstTokenToTheLast() {
        ValidationBatches batches = new ValidationBatches(TOKENS, 7, 3, 13);
        int[] starts = IntStream.range(0, 21)
                .map(i -> batches.batch(i / 3).inputs()[i % 3 * 13])
                .toArray();
        assertThat(starts[0]).isZero();
        assertThat(starts[20]).isEqualTo(1000 - 13 - 1);
        for (int i = 1; i < starts.length; i++) {
            assertThat(starts[i] - starts[i - 1]).isBetween(49, 50);
        }
        assertThat(batches.batch(6).targets()[38]).isEqualTo(999);
        assertThat(batches.count()).isEqualTo(7);
    }

    @Test
    void givesTheSameBatchToWhoeverAsks() {
        ValidationBatches one = new ValidationBatches(TOKENS, 7, 3, 13);
        ValidationBatches other = new ValidationBatches(TOKENS, 7, 3, 13);
        other.batch(0);
        assertThat(other.batch(5).inputs()).isEqualTo(one.batch(5).inputs());
        assertThat(one.batch(5).inputs()).isNotEqualTo(one.batch(4).inputs());
    }

    @Test
    void worksWhereWindowsAreMoreThanPlaces() {
        ValidationBatches batches = new ValidationBatches(ArrayTokens.of(5, 6, 7), 4, 2, 2);
        for (int i = 0; i < 4; i++) {
            assertThat(batches.batch(i).inputs()).containsExactly(5, 6, 5, 6);
            assertThat(batches.batch(i).targets()).containsExactly(6, 7, 6, 7);
        }
        assertThat(new ValidationBatches(TOKENS, 1, 1, 5).batch(0).inputs()).containsExactly(0, 1, 2, 3, 4);
    }

    @Test
    void refusesNoBatchesAndIndicesOutOfRange() {
        assertThatThrownBy(() -> new ValidationBatches(TOKENS, 0, 3, 13))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("train.eval_batches");
        ValidationBatches batches = new ValidationBatches(TOKENS, 7, 3, 13);
        assertThatThrownBy(() -> batches.batch(7)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> new ValidationBatches(ArrayTokens.of(1, 2), 1, 1, 2))
                .isInstanceOf(DataException.class);
    }
}
