package dev.kindling.allreduce;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Timeout;

/** Three ranks over real sockets, in one process. */
@Timeout(60)
class RingAllReduceTest {
    private static final int RANKS = 3;
    private static final int LENGTH = 500_003;

    /** A rank that has all it needs may close at once: what the others still need from it reaches them. */
    @RepeatedTest(20)
    void aRankThatClosesAtOnceLeavesNobodyWaiting() throws Exception {
        List<RingEndpoint> endpoints = new ArrayList<>();
        List<Peer> peers = new ArrayList<>();
        for (int r = 0; r < RANKS; r++) {
            RingEndpoint endpoint = new SocketEndpoint(new Handshake("secret", 1, RANKS), "127.0.0.1", LENGTH);
            endpoints.add(endpoint);
            peers.add(new Peer(r, endpoint.host(), endpoint.port(), Integer.toString(r), ""));
        }
        ExecutorService ranks = Executors.newFixedThreadPool(RANKS);
        try {
            List<Callable<float[]>> bodies = new ArrayList<>();
            for (int r = 0; r < RANKS; r++) {
                Group group = new Group(1, r, peers, 10_000, () -> {});
                RingEndpoint endpoint = endpoints.get(r);
                bodies.add(() -> sumThenGather(group, endpoint));
            }
            for (Future<float[]> rank : ranks.invokeAll(bodies)) {
                assertThat(rank.get()).containsOnly(6);
            }
        } finally {
            ranks.shutdownNow();
        }
    }

    private static float[] sumThenGather(Group group, RingEndpoint endpoint) {
        float[] data = new float[LENGTH];
        Arrays.fill(data, group.rank() + 1);
        try (RingAllReduce ring = new RingAllReduce(group, endpoint)) {
            ring.sum(data, 0, LENGTH);
            ring.broadcast(new byte[] {1});
        }
        return data;
    }
}
