package dev.kindling.allreduce.link;

import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Payloads that peers have sent and this rank has not used yet, and which peers are gone. Holds at most {@code
 * maxStagedBytes}. Thread-safe.
 */
public final class Mailbox {
    record Key(Header.Kind kind, long sequence, int from) {}

    private final BufferPool pool = new BufferPool();
    private final Map<Key, ByteBuffer> arrived = new HashMap<>();
    private final Set<Key> arriving = new HashSet<>();
    private final String[] lost;
    private final long maxStagedBytes;
    private long stagedBytes;
    private boolean news;
    private boolean closed;

    Mailbox(int worldSize, long maxStagedBytes) {
        this.lost = new String[worldSize];
        this.maxStagedBytes = maxStagedBytes;
    }

    public BufferPool pool() {
        return pool;
    }

    /** A buffer to receive an announced payload into; the header has been checked. */
    synchronized ByteBuffer stage(Header header) {
        Key key = new Key(header.kind(), header.sequence(), header.from());
        if (arrived.containsKey(key) || !arriving.add(key)) {
            throw new IllegalArgumentException("duplicate gradient message " + key);
        }
        if (stagedBytes + header.bytes() > maxStagedBytes) {
            throw new IllegalArgumentException("gradient message refused: more than " + maxStagedBytes
                    + " bytes would wait here; rank " + header.from() + " is out of step with this rank");
        }
        stagedBytes += header.bytes();
        return pool.take(header.bytes());
    }

    synchronized void deliver(Header header, ByteBuffer payload) {
        Key key = new Key(header.kind(), header.sequence(), header.from());
        arriving.remove(key);
        arrived.put(key, payload);
        wake();
    }

    synchronized void lose(int rank, String why) {
        if (lost[rank] == null && !closed) {
            lost[rank] = why;
            wake();
        }
    }

    public synchronized boolean has(Header.Kind kind, long sequence, int from) {
        return arrived.containsKey(new Key(kind, sequence, from));
    }

    /** Removes and returns a payload, or null if it is not there. The caller gives the buffer back to the pool. */
    public synchronized ByteBuffer take(Header.Kind kind, long sequence, int from) {
        ByteBuffer payload = arrived.remove(new Key(kind, sequence, from));
        if (payload != null) {
            stagedBytes -= payload.remaining();
        }
        return payload;
    }

    /** Why a rank is gone, or null if it is there. */
    public synchronized String lossOf(int rank) {
        return lost[rank];
    }

    /** Waits for something new, at most {@code millis}, or until {@link #wake()}. */
    @SuppressWarnings("WaitNotInLoop") // a wait that ends early is a look too many, no more
    synchronized void awaitNews(long millis) {
        try {
            if (!news) {
                wait(millis);
            }
            news = false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            close();
        }
    }

    synchronized void wake() {
        news = true;
        notifyAll();
    }

    public synchronized boolean closed() {
        return closed;
    }

    public synchronized void close() {
        closed = true;
        wake();
    }
}
