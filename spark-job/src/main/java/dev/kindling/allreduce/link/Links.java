package dev.kindling.allreduce.link;

import java.nio.ByteBuffer;

/**
 * The connections of this rank to the others. What arrives lies in the {@link Mailbox}. For one thread, the transport
 * thread; {@link #wake()} is for any.
 */
public interface Links extends AutoCloseable {
    /** The longest message, in floats, that these connections carry best. */
    int chunkFloats();

    /** Queues {@code payload} for one rank, without waiting; the buffer goes back to the pool when it has been sent. */
    void send(Header.Kind kind, long sequence, int to, ByteBuffer payload);

    /** Queues {@code payload} for every other rank; the buffer goes back to the pool when all have been sent it. */
    void sendToAll(Header.Kind kind, long sequence, ByteBuffer payload);

    /** Bytes that have been queued and not sent. */
    long queuedBytes();

    /** Waits for arrivals or for room to send, at most {@code millis}, or until {@link #wake()}. */
    void poll(long millis);

    /** Ends the {@link #poll} that is going on, or the next one. */
    void wake();

    /** Drops what is queued. Never blocks. */
    @Override
    void close();
}
