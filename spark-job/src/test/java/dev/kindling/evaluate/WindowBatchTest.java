package dev.kindling.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.evaluate.WindowBatch.Extents;
import org.junit.jupiter.api.Test;

class WindowBatchTest {
    private static final int BATCH = 3;
    private static final int BLOCK = 4;

    @Test
    void aPackedBatchWithTheLeastRoomTakesAWindowOfAnyLength() {
        for (int length = 1; length <= BLOCK; length++) {
            WindowBatch batch = new WindowBatch(new Extents(BATCH, BLOCK, WindowBatch.leastSequences(BATCH)));
            assertThat(batch.takes(length)).isTrue();

            batch.add(new int[length + 1], length, new PassageLoss(TextDocument.of(0, "text")));

            int[] cumulative = batch.cumulativeLengths();
            assertThat(cumulative).isSorted().hasSizeLessThanOrEqualTo(WindowBatch.leastSequences(BATCH) + 1);
            assertThat(cumulative[1]).isEqualTo(length);
            assertThat(cumulative[cumulative.length - 1]).isEqualTo(BATCH * BLOCK);
        }
    }

    @Test
    void aPackedBatchTakesWindowsWhileTheirFillersHaveRoomToo() {
        WindowBatch batch = new WindowBatch(new Extents(BATCH, BLOCK, 5));
        int windows = 0;
        while (batch.takes(1)) {
            batch.add(new int[2], 1, new PassageLoss(TextDocument.of(0, "text")));
            windows++;
        }
        assertThat(windows).isEqualTo(2); // and three fillers for the ten rows that are left
        assertThat(batch.cumulativeLengths()).containsExactly(0, 1, 2, 6, 10, 12);
        assertThat(batch.positionsUsed()).isEqualTo(2);
    }

    @Test
    void lossesGoToTheirDocuments() {
        WindowBatch batch = new WindowBatch(new Extents(BATCH, BLOCK, 5));
        PassageLoss first = new PassageLoss(TextDocument.of(0, "text"));
        PassageLoss second = new PassageLoss(TextDocument.of(0, "text"));
        first.expect();
        second.expect();
        batch.add(new int[] {1, 2, 3}, 2, first);
        batch.add(new int[] {4, 5, 6, 7}, 1, second);

        batch.distribute(new float[] {0.5f, 0.25f, 9, 9, 2, 9, 9, 9, 9, 9, 9, 9});

        assertThat(first.score().nats()).isZero();
        assertThat(first.score().units()).isEqualTo((long) (0.75 * PassageScore.UNITS));
        assertThat(first.score().tokens()).isEqualTo(2);
        assertThat(second.score().nats()).isEqualTo(2);
        assertThat(second.score().units()).isZero();
        assertThat(second.score().tokens()).isEqualTo(1);
    }
}
