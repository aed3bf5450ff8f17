package dev.kindling.data.corpus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CorpusSplitTest {
    @Test
    void cutsTinyShakespeareWhereNanoGptDoes() {
        CorpusSplit split = CorpusSplit.of(new long[] {1_115_394}, 0.1);
        assertThat(split).isEqualTo(new CorpusSplit(0, 1_003_854, 1_003_854, 111_540));
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.05, 0.1, 0.2, 0.5, 0.77, 0.9})
    void losesAndRepeatsNothing(double valFraction) {
        long[] lengths = {7, 0, 4, 9};
        CorpusSplit split = CorpusSplit.of(lengths, valFraction);
        long train = (long) (20 * (1 - valFraction));
        assertThat(split.trainCodePoints()).isEqualTo(train);
        assertThat(split.valCodePoints()).isEqualTo(20 - train);
        assertThat(Arrays.stream(lengths, 0, split.part()).sum() + split.codePoint())
                .isEqualTo(train);
        assertThat(split.codePoint()).isLessThan(lengths[split.part()]);
    }

    @Test
    void cutsBetweenPartsWithoutALeftover() {
        assertThat(CorpusSplit.of(new long[] {5, 5}, 0.5)).isEqualTo(new CorpusSplit(1, 0, 5, 5));
    }

    @Test
    void keepsEverythingForTrainingAtZero() {
        assertThat(CorpusSplit.of(new long[] {3}, 0)).isEqualTo(new CorpusSplit(1, 0, 3, 0));
    }

    @Test
    void cutsPartsThatNoStringCouldHold() {
        assertThat(CorpusSplit.of(new long[] {5_000_000_000L}, 0.1).codePoint()).isEqualTo(4_500_000_000L);
    }

    @ParameterizedTest
    @ValueSource(doubles = {-0.1, 1, 1.5, Double.NaN})
    void refusesFractionsOutOfRange(double valFraction) {
        assertThatThrownBy(() -> CorpusSplit.of(new long[] {100}, valFraction))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("data.val_fraction");
    }

    @Test
    void refusesAPartWithoutText() {
        assertThatThrownBy(() -> CorpusSplit.of(new long[] {1}, 0.1)).hasMessageContaining("nothing for train");
    }

    @Test
    void cutsBetweenPartsThatAreDividedAlready() {
        assertThat(CorpusSplit.between(new long[] {5, 2, 3}, 2)).isEqualTo(new CorpusSplit(2, 0, 7, 3));
        assertThatThrownBy(() -> CorpusSplit.between(new long[] {5, 0}, 1))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("no text for val: all of it is for train");
        assertThatThrownBy(() -> CorpusSplit.between(new long[] {0, 5}, 1)).hasMessageContaining("no text for train");
    }
}
