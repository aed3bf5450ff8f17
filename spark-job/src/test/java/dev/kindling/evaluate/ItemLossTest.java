package dev.kindling.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.evaluate.item.EndingTokens;
import dev.kindling.evaluate.item.Item;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;

class ItemLossTest {
    private static final WindowBatch.Extents EXTENTS = new WindowBatch.Extents(2, 4, 0);

    /** An item of endings that have the given losses, in nats. */
    private static ItemLoss scored(int label, List<String> endings, double... losses) {
        Item item = new Item(
                "i",
                "c",
                endings.stream().map(text -> new Item.Ending(text, text)).toList(),
                label,
                null);
        List<EndingTokens> tokens = Stream.generate(() -> new EndingTokens(new int[2], 1, false))
                .limit(losses.length)
                .toList();
        ItemLoss loss = new ItemLoss(item, tokens, true);
        for (int i = 0; i < losses.length; i++) {
            loss.ending(i).expect();
            assertThat(loss.done()).isFalse();
            loss.ending(i).add(losses[i], 1);
        }
        assertThat(loss.done()).isTrue();
        return loss;
    }

    /** By hand: -3 > -4.2; -3/2 < -4.2/3, by characters; -3/4 > -4.2/3, by bytes. */
    @Test
    void theBestEndingIsTakenBySumByCharactersAndByBytes() {
        Row row = ItemScores.row(scored(0, List.of("\u00e9\u00e9", "abc"), 3, 4.2));
        assertThat(row.getInt(3)).isEqualTo(1);
        assertThat(row.getInt(4)).isZero();
        assertThat(row.getInt(5)).isEqualTo(1);
        assertThat((Object[]) row.get(2)).containsExactly(-3.0, -4.2);
        assertThat(row.getLong(6)).isEqualTo(2);
    }

    @Test
    void ofEqualEndingsTheFirstIsTaken() {
        assertThat(ItemScores.row(scored(0, List.of("a", "b"), 2, 2)).getInt(3)).isEqualTo(1);
        assertThat(ItemScores.row(scored(1, List.of("a", "b"), 2, 2)).getInt(3)).isZero();
    }

    @Test
    void onlyALastWordAsksWhatTheModelWouldWrite() {
        Item item = new Item("i", "c", List.of(new Item.Ending("w", " w")), 0, null);
        List<EndingTokens> tokens = List.of(new EndingTokens(new int[] {1, 2, 3}, 2, false));
        for (boolean writes : new boolean[] {true, false}) {
            ItemLoss word = new ItemLoss(item, tokens, false);
            ItemLoss choice = new ItemLoss(item, tokens, true);
            WindowBatch batch = new WindowBatch(EXTENTS);
            batch.add(new int[] {1, 2, 3}, 1, choice.ending(0));
            batch.add(new int[] {1, 2, 3}, 2, word.ending(0));
            batch.answerGreedy(row -> row == 4 ? 2 : writes ? 3 : 1); // rows 4 and 5 have the targets 2 and 3
            assertThat(word.greedy()).isEqualTo(writes);
            assertThat(choice.greedy()).isFalse();
        }
    }

    @Test
    void aLossThatIsNotFiniteNamesTheItem() {
        ItemLoss loss = new ItemLoss(
                new Item("i", "c", List.of(new Item.Ending("w", " w")), 0, null),
                List.of(new EndingTokens(new int[] {1, 2}, 1, false)),
                true);
        WindowBatch batch = new WindowBatch(EXTENTS);
        batch.add(new int[] {1, 2}, 1, loss.ending(0));
        float[] losses = new float[EXTENTS.rows()];
        losses[0] = Float.NaN;
        assertThatThrownBy(() -> batch.distribute(losses))
                .isInstanceOf(FatalJobException.class)
                .hasMessageStartingWith("the loss of item i is NaN");
    }
}
