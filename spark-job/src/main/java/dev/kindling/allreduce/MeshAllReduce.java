package dev.kindling.allreduce;

import dev.kindling.allreduce.link.AllReduceException;
import dev.kindling.allreduce.link.Deadline;
import dev.kindling.allreduce.link.Group;
import dev.kindling.allreduce.link.Header;
import dev.kindling.allreduce.link.Links;
import dev.kindling.allreduce.link.Mailbox;
import dev.kindling.allreduce.link.MeshEndpoint;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * The {@code ring} of the configuration: executor to executor, by a reduce-scatter and an all-gather. A bucket is cut
 * into one chunk per rank. Every rank sends its part of chunk c to rank c, which adds the parts in rank order and sends
 * the sum to all: 2 (N-1)/N of the bucket per rank, as in the classical ring, but in two hops instead of 2 (N-1), and in
 * the order of a plain loop, for N-1 connections per rank, opened with the first sum. {@link #submit} only queues; a
 * transport thread does the rest. What is small goes by way of rank 0 ({@link RootExchange}).
 */
public final class MeshAllReduce implements AllReduce {
    private static final long POLL_MILLIS = 50;
    /** Back-pressure: with more than this waiting to be sent, no further bucket is encoded. */
    private static final long MAX_QUEUED_BYTES = 4L << 20;
    /** How long a rank that is done may take to send the last of what its peers wait for. */
    private static final long FLUSH_MILLIS = 2_000;

    private final Group group;
    private final MeshEndpoint endpoint;
    private final Mailbox mailbox;
    private final Links links;
    private final BucketExchange exchange;
    private final RootExchange byRoot;
    private final Thread worker;
    private final Queue<Runnable> requests = new ConcurrentLinkedQueue<>();

    // Guarded by the lock.
    private final Object lock = new Object();
    private final Deque<Bucket> unfinished = new ArrayDeque<>();
    /** The rank that the oldest unfinished bucket waits for; this rank itself if it waits for none. */
    private int missing;
    /** Why each rank is gone, or null; read before {@link #missing}: what a lost rank had sent is not missing. */
    private String[] lost;

    private boolean gathering;
    private long nextSequence;

    private volatile RuntimeException failure;

    /** Connects to nobody yet: only to those that a collective sends something to. Takes ownership of the endpoint. */
    public MeshAllReduce(Group group, MeshEndpoint endpoint) {
        this.group = group;
        this.endpoint = endpoint;
        this.mailbox = endpoint.mailbox();
        this.missing = group.rank();
        this.lost = new String[group.worldSize()];
        this.links = endpoint.connect(group);
        this.exchange = new BucketExchange(group, mailbox, links);
        this.byRoot = new RootExchange(group, mailbox.pool(), links, new RootWire());
        this.worker = new Thread(this::work, "kindling-ring-" + group.generation() + "-" + group.rank());
        worker.setDaemon(true);
        worker.start();
    }

    @Override
    public String name() {
        return "ring";
    }

    @Override
    public int rank() {
        return group.rank();
    }

    @Override
    public int worldSize() {
        return group.worldSize();
    }

    @Override
    public long submit(SumOrder order, Operands operands, int offset, int length) {
        operands.requireRange(offset, length);
        int chunk = links.chunkFloats() / order.mostOperands();
        int most = (int) Math.min(Integer.MAX_VALUE, (long) chunk * worldSize());
        Pieces.forEach(
                length,
                most,
                (at, count) -> request(order, operands, Bucket.evenly(offset + at, count, worldSize()), true));
        return requested();
    }

    @Override
    public long submitScatter(SumOrder order, Operands operands, int offset, int length, int[] bounds) {
        operands.requireRange(offset, length);
        int most = links.chunkFloats() / order.mostOperands();
        Pieces.forEach(
                length,
                most,
                (at, count) ->
                        request(order, operands, Bucket.within(bounds, offset + at, offset + at + count), false));
        return requested();
    }

    @Override
    public void allGather(float[] data, int[] bounds) {
        int begin = bounds[0];
        int end = bounds[worldSize()];
        Objects.checkFromToIndex(begin, end, data.length);
        Operands operands = new Operands(new float[][] {data}, 0);
        Pieces.forEach(
                end - begin,
                links.chunkFloats(),
                (at, count) -> request(null, operands, Bucket.within(bounds, begin + at, begin + at + count), true));
        await(requested());
    }

    private void request(SumOrder order, Operands operands, int[] owned, boolean spread) {
        links.reach(group.others());
        synchronized (lock) {
            Bucket bucket = new Bucket(order, operands, owned, spread, nextSequence++);
            unfinished.add(bucket);
            requests.add(() -> exchange.begin(bucket));
        }
    }

    /** Has the transport thread begin with what was requested; the number of the request that would be next. */
    private long requested() {
        links.wake();
        synchronized (lock) {
            return nextSequence;
        }
    }

    @Override
    public void await(long submitted) {
        Deadline deadline = new Deadline(group.timeoutMillis());
        synchronized (lock) {
            while (!unfinished.isEmpty() && unfinished.peek().sequence() < submitted) {
                pause(missing, deadline);
            }
        }
    }

    @Override
    public byte[][] allGather(byte[] payload) {
        return byRoot.allGather(payload);
    }

    @Override
    public byte[] broadcast(byte[] payload) {
        return byRoot.broadcast(payload);
    }

    @Override
    public void gather(float[] own, float[] whole, int[] bounds) {
        byRoot.gather(own, whole, bounds);
    }

    private final class RootWire implements RootExchange.Wire {
        @Override
        public long next() {
            synchronized (lock) {
                if (!unfinished.isEmpty()) {
                    throw new IllegalStateException("a gather while buckets are in flight; call await() first");
                }
                return nextSequence++;
            }
        }

        @Override
        public void queue(Runnable request) {
            requests.add(request);
            links.wake();
        }

        @Override
        public void awaitQueued(Deadline deadline) {
            synchronized (lock) {
                while (!requests.isEmpty()) {
                    pause(rank(), deadline);
                }
            }
        }

        @Override
        public ByteBuffer receive(long sequence, int from, Deadline deadline) {
            synchronized (lock) {
                gathering = true;
                ByteBuffer in;
                while ((in = mailbox.take(Header.Kind.GATHER, sequence, from)) == null) {
                    pause(from, deadline);
                }
                gathering = false;
                return in;
            }
        }
    }

    @Override
    public void close() {
        mailbox.close();
        links.wake();
        boolean interrupted = Thread.interrupted();
        try {
            worker.join(2 * FLUSH_MILLIS);
        } catch (InterruptedException e) {
            interrupted = true;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        links.close();
        endpoint.close();
    }

    private void work() {
        try {
            while (!mailbox.closed()) {
                advance();
                links.poll(POLL_MILLIS);
            }
            Deadline flush = new Deadline(FLUSH_MILLIS);
            while ((!requests.isEmpty() || links.queuedBytes() > 0) && failure == null && !flush.passed()) {
                runRequests();
                links.poll(links.queuedBytes() > 0 ? POLL_MILLIS : 1);
            }
        } catch (RuntimeException e) {
            synchronized (lock) {
                failure = e;
                lock.notifyAll();
            }
        }
    }

    /** Does everything that is possible without waiting. */
    private void advance() {
        String[] losses = new String[worldSize()];
        Arrays.setAll(losses, mailbox::lossOf);
        runRequests();
        exchange.advance();
        synchronized (lock) {
            lost = losses;
            int before = unfinished.size();
            while (!unfinished.isEmpty() && unfinished.peek().finished()) {
                unfinished.remove();
            }
            missing = unfinished.isEmpty() ? rank() : exchange.missing(unfinished.peek());
            if (gathering || before > unfinished.size()) {
                lock.notifyAll();
            }
        }
    }

    private void runRequests() {
        while (links.queuedBytes() < MAX_QUEUED_BYTES && !requests.isEmpty()) {
            requests.peek().run();
            requests.remove(); // none is left when all have been run
        }
    }

    /** Waits once, briefly, for rank {@code from}; throws if waiting longer is pointless. The caller holds the lock. */
    @SuppressWarnings("WaitNotInLoop") // the callers loop, each over what it waits for
    private void pause(int from, Deadline deadline) {
        try {
            group.liveness().check();
            requireHope(from, deadline);
            lock.wait(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            failure = new AllReduceException(
                    "interrupted while waiting for " + group.peer(from).describe(), e);
            throw (AllReduceException) failure;
        } catch (RuntimeException e) {
            failure = e;
            throw e;
        }
    }

    private void requireHope(int from, Deadline deadline) {
        if (failure != null) {
            throw failure;
        }
        // Only the rank that is waited for counts: another one may rightly have finished and closed.
        String loss = lost[from];
        if (loss != null) {
            throw AllReduceException.lost(group.peer(from), loss);
        }
        if (mailbox.closed()) {
            throw new AllReduceException("the allreduce of rank " + rank() + " was closed while it waited");
        }
        if (deadline.passed()) {
            throw new AllReduceException(group.peer(from).describe() + " sent nothing for " + deadline.millis()
                    + " ms while rank " + rank() + " waited for it in allreduce");
        }
    }
}
