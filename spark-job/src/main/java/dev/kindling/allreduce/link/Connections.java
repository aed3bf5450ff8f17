package dev.kindling.allreduce.link;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/** Opens connections to several peers at once. */
final class Connections {
    private static final int THREADS = 16;
    private static final long LOOK_MILLIS = 50;

    private Connections() {}

    /**
     * Returns when {@code connect} has done all of them.
     *
     * @param connect called by several threads, an interrupt ends it; what it throws is thrown here
     */
    static void open(Group group, List<Integer> ranks, Consumer<Peer> connect) {
        ExecutorService threads = Executors.newFixedThreadPool(Math.max(1, Math.min(THREADS, ranks.size())), task -> {
            Thread thread = new Thread(task, "kindling-ring-connect");
            thread.setDaemon(true);
            return thread;
        });
        try {
            List<Future<?>> opened = new ArrayList<>();
            for (int rank : ranks) {
                Peer peer = group.peer(rank);
                opened.add(threads.submit(() -> connect.accept(peer)));
            }
            for (Future<?> one : opened) {
                await(group, one);
            }
        } finally {
            threads.shutdownNow();
        }
    }

    private static void await(Group group, Future<?> connection) {
        while (true) {
            try {
                group.liveness().check();
                connection.get(LOOK_MILLIS, TimeUnit.MILLISECONDS);
                return;
            } catch (TimeoutException e) {
                // Each connection has a bound of its own.
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new AllReduceException("interrupted while connecting to the peers", e);
            } catch (ExecutionException e) {
                throw new AllReduceException("connecting to the peers failed: " + e.getCause(), e.getCause());
            }
        }
    }
}
