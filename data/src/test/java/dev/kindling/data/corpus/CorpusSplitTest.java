package dev.kindling.data.corpus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import java.util.List;
import java.util.stream.Collectors;
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
        List<Document> documents = List.of(
                new Document("a", "0123456"),
                new Document("b", ""),
                new Document("c", "x\ud83d\ude00\ud83d\ude00y"),
                new Document("d", "abcdefghi"));
        CorpusSplit.Parts parts = CorpusSplit.cut(documents, valFraction);
        assertThat(text(parts.train()) + text(parts.val())).isEqualTo(text(documents));
        assertThat(text(parts.train()).codePoints().count()).isEqualTo((long) (20 * (1 - valFraction)));
    }

    @Test
    void cutsBetweenDocumentsWithoutALeftover() {
        CorpusSplit.Parts parts = CorpusSplit.cut(List.of(new Document("a", "12345"), new Document("b", "67890")), 0.5);
        assertThat(parts.train()).containsExactly(new Document("a", "12345"));
        assertThat(parts.val()).containsExactly(new Document("b", "67890"));
    }

    @Test
    void keepsEverythingForTrainingAtZero() {
        assertThat(CorpusSplit.cut(List.of(new Document("a", "123")), 0).val()).isEmpty();
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

    private static String text(List<Document> documents) {
        return documents.stream().map(Document::text).collect(Collectors.joining());
    }
}
