package dev.kindling.allreduce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SumOrderTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 7, 8, 12, 13, 40})
    void everyWorldSizeAddsTheSameTree(int leaves) {
        float[] values = new float[leaves];
        Random random = new Random(leaves);
        for (int i = 0; i < leaves; i++) {
            values[i] = (float) (random.nextGaussian() * Math.exp(4 * random.nextGaussian()));
        }
        float expected = halved(values, 0, leaves);
        for (int worldSize = 1; worldSize <= leaves; worldSize++) {
            assertThat(summed(values, worldSize))
                    .as("%d leaves on %d ranks", leaves, worldSize)
                    .isEqualTo(expected);
        }
    }

    private static float halved(float[] values, int from, int to) {
        int middle = (from + to) / 2;
        return to - from == 1 ? values[from] : halved(values, from, middle) + halved(values, middle, to);
    }

    /** As ranks and transport do it. */
    private static float summed(float[] values, int worldSize) {
        SumOrder order = SumOrder.tree(values.length, worldSize);
        PartialSums sums = new PartialSums();
        for (int rank = 0; rank < worldSize; rank++) {
            Deque<Float> operands = operandsOf(values, rank, worldSize);
            assertThat(operands).hasSize(order.operands(rank));
            for (int i = 0; i < order.operands(rank); i++) {
                sums.next(1)[0] = operands.removeFirst();
                sums.join(order.joins(rank, i), 1);
            }
        }
        return sums.take()[0];
    }

    private static Deque<Float> operandsOf(float[] values, int rank, int worldSize) {
        int first = SumOrder.firstLeaf(values.length, rank, worldSize);
        int end = SumOrder.firstLeaf(values.length, rank + 1, worldSize);
        int[] joins = SumOrder.joinsWithin(values.length, first, end);
        Deque<Float> operands = new ArrayDeque<>();
        for (int leaf = first; leaf < end; leaf++) {
            operands.addLast(values[leaf]);
            for (int i = 0; i < joins[leaf - first]; i++) {
                float newer = operands.removeLast();
                operands.addLast(operands.removeLast() + newer);
            }
        }
        return operands;
    }

    @Test
    void aSubtreeARankIsOneOperand() {
        assertThat(SumOrder.tree(8, 4).mostOperands()).isEqualTo(1);
        assertThat(SumOrder.tree(12, 2).mostOperands()).isEqualTo(1);
        assertThat(SumOrder.tree(12, 3).mostOperands()).isEqualTo(3);
        assertThat(SumOrder.byRank(3).mostOperands()).isEqualTo(1);
    }

    @Test
    void aRankWithoutALeafIsRefused() {
        assertThatThrownBy(() -> SumOrder.tree(3, 4)).hasMessageContaining("3 leaves over 4 ranks");
    }
}
