package dev.kindling.allreduce;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.link.Group;
import dev.kindling.allreduce.link.Handshake;
import dev.kindling.allreduce.link.MeshEndpoint;
import dev.kindling.allreduce.link.Peer;
import dev.kindling.allreduce.link.SocketEndpoint;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Collectives by way of rank 0 among ranks over real sockets, in one process. */
@Timeout(120)
class RootExchangeTest {
    /** What a rank does with its end of the mesh. */
    private interface Body {
        byte[] run(MeshAllReduce mesh) throws Exception;
    }

    private static List<byte[]> run(int ranks, Body body) throws Exception {
        List<MeshEndpoint> endpoints = new ArrayList<>();
        List<Peer> peers = new ArrayList<>();
        for (int rank = 0; rank < ranks; rank++) {
            MeshEndpoint endpoint = new SocketEndpoint(new Handshake("secret", 1, ranks), "127.0.0.1", 1_000_000);
            endpoints.add(endpoint);
            peers.add(new Peer(rank, "127.0.0.1", endpoint.port(), Integer.toString(rank), ""));
        }
        ExecutorService threads = Executors.newFixedThreadPool(ranks);
        try {
            List<Callable<byte[]>> bodies = new ArrayList<>();
            for (int rank = 0; rank < ranks; rank++) {
                Group group = new Group(1, rank, peers, 60_000, () -> {});
                MeshEndpoint endpoint = endpoints.get(rank);
                bodies.add(() -> {
                    try (MeshAllReduce mesh = new MeshAllReduce(group, endpoint)) {
                        return body.run(mesh);
                    }
                });
            }
            List<byte[]> results = new ArrayList<>();
            for (Future<byte[]> result : threads.invokeAll(bodies)) {
                results.add(result.get());
            }
            return results;
        } finally {
            threads.shutdownNow();
        }
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
