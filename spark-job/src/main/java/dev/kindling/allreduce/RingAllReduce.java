package dev.kindling.allreduce;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Objects;

/**
 * Executor to executor: a reduce-scatter and an all-gather. A bucket is cut into one chunk a rank; every rank sends
 * its part of chunk c to rank c, which sums the parts in the order of the ranks and sends the sum to all. Each rank
 * sends and receives 2 (N-1)/N of the bucket, as in the classical ring, but in two hops instead of 2 (N-1), and
 * with the summation order of a plain loop over ranks, which the ring's order is not; the price is N-1 connections
 * a rank. Sends go round the ring (rank+1, rank+2, ...) so that no rank is everybody's first target.
 *
 * <p>{@link #submit} only queues; one transport thread sends and sums while the backward pass goes on.
 */
public final class RingAllReduce implements AllReduce {
    private static final long POLL_MILLIS = 50;

    private record Bucket(SumOrder order, float[][] operands, int offset, int length, long sequence) {
        /** Where the sum goes. */
        float[] data() {
            return operands[operands.length - 1];
        }
    }

    private final Group group;
    private final RingEndpoint endpoint;
    private final Mailbox mailbox;
    private final Outbox outbox;
    private final Thread worker;

    // Of the transport thread alone.
    private final PartialSums sums = new PartialSums();

    // Guarded by the mailbox's monitor.
    private final Deque<Bucket> unsent = new ArrayDeque<>();
    private final Deque<Bucket> unreduced = new ArrayDeque<>();
    private final Deque<Bucket> unfinished = new ArrayDeque<>();
    private RuntimeException failure;
    private long nextSequence;

    /** Connects to every peer. Takes ownership of the endpoint. */
    public RingAllReduce(Group group, RingEndpoint endpoint) {
        this.group = group;
        this.endpoint = endpoint;
        this.mailbox = endpoint.mailbox();
        this.outbox = new Outbox(group, endpoint);
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
    public void submit(SumOrder order, float[][] operands, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, operands[operands.length - 1].length);
        int chunk = Header.MAX_CHUNK_FLOATS / order.mostOperands();
        int most = (int) Math.min(Integer.MAX_VALUE, (long) chunk * worldSize());
        synchronized (mailbox) {
            for (int at = 0; at < length; at += most) {
                Bucket bucket = new Bucket(order, operands, offset + at, Math.min(most, length - at), nextSequence++);
                unsent.add(bucket);
                unfinished.add(bucket);
            }
            mailbox.notifyAll();
        }
    }

    @Override
    public void await() {
        Deadline deadline = new Deadline(group.timeoutMillis());
        synchronized (mailbox) {
            while (!unfinished.isEmpty()) {
                Bucket bucket = unfinished.peek();
                for (int step = 1; step < worldSize(); step++) {
                    int owner = (rank() + step) % worldSize();
                    int from = chunkStart(bucket, owner);
                    int count = chunkStart(bucket, owner + 1) - from;
                    if (count > 0) {
                        ByteBuffer result = waitFor(Header.Kind.RESULT, bucket.sequence, owner, deadline);
                        Floats.decode(result, bucket.data(), from, count, peer(owner));
                        mailbox.pool().giveBack(result);
                    }
                }
                while (unsent.contains(bucket) || unreduced.contains(bucket)) {
                    pause(missingContributor(bucket), deadline);
                }
                unfinished.remove();
            }
        }
    }

    @Override
    public byte[][] allGather(byte[] payload) {
        if (payload.length > MAX_GATHER_BYTES) {
            throw new IllegalArgumentException(
                    "allGather of " + payload.length + " bytes; at most " + MAX_GATHER_BYTES);
        }
        byte[][] all = new byte[worldSize()][];
        all[rank()] = payload.clone();
        Deadline deadline = new Deadline(group.timeoutMillis());
        long sequence;
        synchronized (mailbox) {
            if (!unfinished.isEmpty()) {
                throw new IllegalStateException("allGather while buckets are in flight; call await() first");
            }
            sequence = nextSequence++;
        }
        ByteBuffer bytes = mailbox.pool().take(Integer.BYTES + payload.length);
        bytes.putInt(payload.length).put(payload).flip();
        outbox.sendToAll(Header.Kind.GATHER, sequence, bytes);
        synchronized (mailbox) {
            for (int r = 0; r < worldSize(); r++) {
                if (r != rank()) {
                    ByteBuffer in = waitFor(Header.Kind.GATHER, sequence, r, deadline);
                    if (in.remaining() < Integer.BYTES || in.getInt() != in.remaining()) {
                        throw new AllReduceException(r, "malformed message from " + peer(r).describe());
                    }
                    all[r] = new byte[in.remaining()];
                    in.get(all[r]);
                    mailbox.pool().giveBack(in);
                }
            }
        }
        return all;
    }

    @Override
    public void close() {
        endpoint.mailbox().close();
        outbox.close();
        endpoint.close();
    }

    private Peer peer(int rank) {
        return group.peers().get(rank);
    }

    private int chunkStart(Bucket bucket, int rank) {
        return bucket.offset + (int) ((long) bucket.length * rank / worldSize());
    }

    private void work() {
        try {
            while (true) {
                Bucket sending;
                Bucket reducing = null;
                synchronized (mailbox) {
                    while ((sending = unsent.peek()) == null && (reducing = reducible()) == null) {
                        if (mailbox.closed()) {
                            return;
                        }
                        mailbox.wait(POLL_MILLIS);
                    }
                }
                if (sending != null) {
                    scatter(sending);
                } else {
                    reduce(reducing);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException e) {
            synchronized (mailbox) {
                failure = e;
                mailbox.notifyAll();
            }
        }
    }

    private Bucket reducible() {
        Bucket oldest = unreduced.peek();
        if (oldest == null) {
            return null;
        }
        boolean empty = chunkStart(oldest, rank()) == chunkStart(oldest, rank() + 1);
        for (int r = 0; r < worldSize() && !empty; r++) {
            if (r != rank() && !mailbox.has(Header.Kind.CONTRIBUTION, oldest.sequence, r)) {
                return null;
            }
        }
        return oldest;
    }

    /** The first rank whose part of this rank's chunk has not come; this rank when all have. */
    private int missingContributor(Bucket bucket) {
        for (int r = 0; r < worldSize(); r++) {
            if (r != rank() && !mailbox.has(Header.Kind.CONTRIBUTION, bucket.sequence, r)) {
                return r;
            }
        }
        return rank();
    }

    private void scatter(Bucket bucket) {
        for (int step = 1; step < worldSize(); step++) {
            int owner = (rank() + step) % worldSize();
            int from = chunkStart(bucket, owner);
            int count = chunkStart(bucket, owner + 1) - from;
            if (count > 0) {
                outbox.send(
                        Header.Kind.CONTRIBUTION,
                        bucket.sequence,
                        owner,
                        Floats.encode(mailbox.pool(), from, count, bucket.operands));
            }
        }
        synchronized (mailbox) {
            unsent.remove();
            unreduced.add(bucket);
        }
    }

    private void reduce(Bucket bucket) {
        int from = chunkStart(bucket, rank());
        int count = chunkStart(bucket, rank() + 1) - from;
        if (count > 0) {
            for (int r = 0; r < worldSize(); r++) {
                addContribution(bucket, r, from, count);
            }
            System.arraycopy(sums.take(), 0, bucket.data(), from, count);
            outbox.sendToAll(
                    Header.Kind.RESULT, bucket.sequence, Floats.encode(mailbox.pool(), from, count, bucket.data()));
        }
        synchronized (mailbox) {
            unreduced.remove();
            mailbox.notifyAll();
        }
    }

    private void addContribution(Bucket bucket, int of, int from, int count) {
        boolean own = of == rank();
        int operands = bucket.order.operands(of);
        ByteBuffer bytes = own ? null : mailbox.take(Header.Kind.CONTRIBUTION, bucket.sequence, of);
        if (!own) {
            Floats.requireLength(bytes, operands * count, peer(of));
        }
        for (int i = 0; i < operands; i++) {
            float[] next = sums.next(count);
            if (own) {
                System.arraycopy(bucket.operands[i], from, next, 0, count);
            } else {
                bytes.slice(i * count * Float.BYTES, count * Float.BYTES)
                        .order(bytes.order())
                        .asFloatBuffer()
                        .get(next, 0, count);
            }
            sums.join(bucket.order.joins(of, i), count);
        }
        if (!own) {
            mailbox.pool().giveBack(bytes);
        }
    }

    /** Caller holds the mailbox's monitor. */
    private ByteBuffer waitFor(Header.Kind kind, long sequence, int from, Deadline deadline) {
        while (true) {
            ByteBuffer payload = mailbox.take(kind, sequence, from);
            if (payload != null) {
                return payload;
            }
            pause(from, deadline);
        }
    }

    /** One bounded wait for rank {@code from}; throws when it is pointless to go on. */
    private void pause(int from, Deadline deadline) {
        group.liveness().check();
        if (failure != null) {
            throw failure;
        }
        // Only the rank waited for counts: another one may have finished and closed, rightly.
        String loss = mailbox.lossOf(from);
        if (loss != null) {
            throw new AllReduceException(from, peer(from).describe() + " is lost: " + loss);
        }
        if (mailbox.closed()) {
            throw new AllReduceException(-1, "the allreduce of rank " + rank() + " was closed while it waited");
        }
        if (deadline.passed()) {
            throw new AllReduceException(
                    from,
                    peer(from).describe() + " sent nothing for " + deadline.millis() + " ms while rank " + rank()
                            + " waited for it in allreduce");
        }
        try {
            mailbox.wait(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AllReduceException(
                    from, "interrupted while waiting for " + peer(from).describe(), e);
        }
    }
}
