package dev.kindling.allreduce;

import dev.kindling.allreduce.link.Group;
import dev.kindling.allreduce.link.Handshake;
import dev.kindling.allreduce.link.MeshEndpoint;
import dev.kindling.allreduce.link.Peer;
import dev.kindling.allreduce.link.SocketEndpoint;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** The ranks of a group in one process, a thread each, over real sockets. */
public final class SocketRanks {
    private static final long TIMEOUT_MILLIS = 60_000;

    private SocketRanks() {}

    /** What a rank does; its connections are closed afterwards. */
    public interface Body<T> {
        T run(MeshAllReduce ring) throws Exception;
    }

    /**
     * Runs all ranks at once.
     *
     * @param floats the most that a rank sums
     * @return what each rank returned
     */
    public static <T> List<T> run(int ranks, int floats, Body<T> body) throws Exception {
        List<MeshEndpoint> endpoints = new ArrayList<>();
        List<Peer> peers = new ArrayList<>();
        for (int rank = 0; rank < ranks; rank++) {
            MeshEndpoint endpoint = new SocketEndpoint(new Handshake("secret", 1, ranks), "127.0.0.1", floats);
            endpoints.add(endpoint);
            peers.add(new Peer(rank, "127.0.0.1", endpoint.port(), Integer.toString(rank), ""));
        }
        ExecutorService threads = Executors.newFixedThreadPool(ranks);
        try {
            List<Callable<T>> bodies = new ArrayList<>();
            for (int rank = 0; rank < ranks; rank++) {
                Group group = new Group(1, rank, peers, TIMEOUT_MILLIS, () -> {});
                MeshEndpoint endpoint = endpoints.get(rank);
                bodies.add(() -> {
                    try (MeshAllReduce ring = new MeshAllReduce(group, endpoint)) {
                        return body.run(ring);
                    }
                });
            }
            List<T> results = new ArrayList<>();
            for (Future<T> result : threads.invokeAll(bodies)) {
                results.add(result.get());
            }
            return results;
        } finally {
            threads.shutdownNow();
        }
    }
}
