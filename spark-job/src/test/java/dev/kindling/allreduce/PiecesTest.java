package dev.kindling.allreduce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Lengths at which the sum of two ints is no int: of 512 ranks, and of the largest models. */
class PiecesTest {
    @ParameterizedTest
    @CsvSource({
        "0, 7, 0",
        "7, 7, 1",
        "13, 7, 2",
        "2147483647, 1073741824, 2",
        "2147483647, 1073741823, 3",
        "2147483647, 2147483647, 1",
        "2147483646, 1500000000, 2"
    })
    void piecesCoverTheRangeOnce(int length, int most, int pieces) {
        List<int[]> taken = new ArrayList<>();
        Pieces.forEach(length, most, (at, count) -> taken.add(new int[] {at, count}));
        assertThat(taken).hasSize(pieces);
        int end = 0;
        for (int[] piece : taken) {
            assertThat(piece[0]).isEqualTo(end);
            assertThat(piece[1]).isBetween(1, most);
            end = Math.addExact(end, piece[1]);
        }
        assertThat(end).isEqualTo(length);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 256, 511, 512, 513, 10_000})
    void whatAllRanksGatherFitsIntoOneMessage(int worldSize) {
        int most = AllReduce.maxGatherBytes(worldSize);
        assertThat(Math.multiplyExact(worldSize, Integer.BYTES + most)).isPositive();
        assertThat(most).isGreaterThan(100_000);
        assertThatThrownBy(() -> AllReduce.requireGatherable(most + 1, worldSize))
                .hasMessageContaining("over " + worldSize + " ranks; at most " + most);
    }

    @Test
    void aFewRanksGatherAsMuchAsAMessageMayHold() {
        assertThat(AllReduce.maxGatherBytes(256)).isEqualTo(4 << 20);
    }
}
