package dev.kindling.allreduce;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.link.Group;
import dev.kindling.allreduce.link.Handshake;
import dev.kindling.allreduce.link.MeshEndpoint;
import dev.kindling.allreduce.link.Peer;
import dev.kindling.allreduce.link.SocketEndpoint;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Ranks over real sockets, in one process. */
@Timeout(60)
class MeshAllReduceTest {
    private static final int RANKS = 3;
    private static final int LENGTH = 500_003;

    /** A rank that has all it needs may close at once: what the others still need from it reaches them. */
    @RepeatedTest(20)
    void aRankThatClosesAtOnceLeavesNobodyWaiting() throws Exception {
        for (float[] sums : SocketRanks.run(RANKS, LENGTH, MeshAllReduceTest::sumThenGather)) {
            assertThat(sums).containsOnly(6);
        }
    }

    /**
     * Rank 1 owns nothing, gives its parts and is gone before rank 0 asks for them: while rank 0 begins a bucket,
     * takes the part of rank 1 out of its mailbox and sums it, rank 1 is known to be lost and yet not missing.
     */
    @Test
    void aRankThatHasGivenItsPartAndLeftIsNotMissed() throws Exception {
        int rounds = 400;
        int length = 1 << 16;
        int[] bounds = {0, length, length};
        List<MeshEndpoint> endpoints = endpoints(2, (long) rounds * length);
        List<Peer> peers = peers(endpoints);
        Thread leaver = new Thread(() -> {
            try (MeshAllReduce ring = new MeshAllReduce(new Group(1, 1, peers, 10_000, () -> {}), endpoints.get(1))) {
                float[] data = new float[length];
                Arrays.fill(data, 2);
                for (int round = 0; round < rounds; round++) {
                    ring.submitScatter(SumOrder.byRank(2), new Operands(new float[][] {data}, 0), 0, length, bounds);
                }
                ring.await();
            }
        });
        leaver.start();
        Random random = new Random(1);
        try (MeshAllReduce ring = new MeshAllReduce(new Group(1, 0, peers, 10_000, () -> {}), endpoints.get(0))) {
            leaver.join();
            Thread.sleep(200);
            for (int round = 0; round < rounds; round++) {
                float[] data = new float[length];
                Arrays.fill(data, 1);
                ring.submitScatter(SumOrder.byRank(2), new Operands(new float[][] {data}, 0), 0, length, bounds);
                LockSupport.parkNanos(random.nextInt(200_000));
                ring.await();
                assertThat(data).containsOnly(3);
            }
        }
    }

    private static List<MeshEndpoint> endpoints(int ranks, long maxElements) {
        List<MeshEndpoint> endpoints = new ArrayList<>();
        for (int r = 0; r < ranks; r++) {
            endpoints.add(new SocketEndpoint(new Handshake("secret", 1, ranks), "127.0.0.1", maxElements));
        }
        return endpoints;
    }

    private static List<Peer> peers(List<MeshEndpoint> endpoints) {
        List<Peer> peers = new ArrayList<>();
        for (MeshEndpoint endpoint : endpoints) {
            int rank = peers.size();
            peers.add(new Peer(rank, "127.0.0.1", endpoint.port(), Integer.toString(rank), ""));
        }
        return peers;
    }

    private static float[] sumThenGather(MeshAllReduce ring) {
        float[] data = new float[LENGTH];
        Arrays.fill(data, ring.rank() + 1);
        RankSum.of(ring, data, 0, LENGTH);
        ring.broadcast(new byte[] {1});
        return data;
    }
}
