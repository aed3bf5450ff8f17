package dev.kindling.allreduce;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Collectives by way of rank 0 among ranks over real sockets, in one process. */
@Timeout(120)
class RootExchangeTest {
    private static List<byte[]> run(int ranks, SocketRanks.Body<byte[]> body) throws Exception {
        return SocketRanks.run(ranks, 1_000_000, body);
    }

    private static byte[] payload(int rank, int length) {
        byte[] bytes = new byte[length];
        new Random(rank).nextBytes(bytes);
        return bytes;
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 7, 13})
    void everyRankGetsWhatEveryRankGivesAndRankZerosBroadcast(int ranks) throws Exception {
        List<byte[]> ended = run(ranks, mesh -> {
            for (int round = 0; round < 5; round++) {
                int length = round * mesh.rank() * 101;
                byte[][] all = mesh.allGather(payload(mesh.rank(), length));
                for (int rank = 0; rank < ranks; rank++) {
                    assertThat(all[rank]).isEqualTo(payload(rank, round * rank * 101));
                }
                assertThat(mesh.broadcast(mesh.rank() == 0 ? payload(round, 207) : new byte[3]))
                        .isEqualTo(payload(round, 207));
                mesh.barrier();
            }
            return new byte[] {1};
        });
        assertThat(ended).hasSize(ranks);
    }

    /** 9 MiB, in pieces of 4. */
    @Test
    void whatIsLongerThanAMessageTravelsInPieces() throws Exception {
        byte[] sent = payload(99, (9 << 20) + 7);
        run(4, mesh -> {
            assertThat(Arrays.equals(mesh.broadcast(mesh.rank() == 0 ? sent : new byte[0]), sent))
                    .isTrue();
            return null;
        });
    }

    @Test
    void rankZeroAloneGetsTheSlicesOfAll() throws Exception {
        int[] bounds = {0, 200_003, 200_003, 200_010, 500_000};
        run(4, mesh -> {
            int rank = mesh.rank();
            float[] own = new float[bounds[rank + 1] - bounds[rank]];
            Arrays.fill(own, rank + 1);
            float[] whole = new float[rank == 0 ? bounds[4] : 0];
            mesh.gather(own, whole, bounds);
            Arrays.fill(own, -1); // nobody reads it any more
            mesh.barrier();
            if (rank == 0) {
                assertThat(whole[200_002]).isEqualTo(1);
                assertThat(Arrays.copyOfRange(whole, 200_003, 200_010)).containsOnly(3);
                assertThat(Arrays.copyOfRange(whole, 200_010, 500_000)).containsOnly(4);
            }
            return null;
        });
    }

    @Test
    void theTreeReachesEveryRankOnceAndNobodyHasMoreThanLogarithmicallyMany() {
        for (int ranks : new int[] {1, 2, 3, 13, 64, 1000}) {
            Set<Integer> reached = new HashSet<>(List.of(0));
            for (int rank = 0; rank < ranks; rank++) {
                List<Integer> children = RootExchange.children(rank, ranks);
                assertThat(children).hasSizeLessThanOrEqualTo(10);
                for (int child : children) {
                    assertThat(reached.add(child)).isTrue();
                    assertThat(RootExchange.parent(child)).isEqualTo(rank);
                }
            }
            assertThat(reached).hasSize(ranks);
        }
    }
}
