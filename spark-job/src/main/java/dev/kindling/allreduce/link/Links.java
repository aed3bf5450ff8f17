package dev.kindling.allreduce.link;

import java.nio.ByteBuffer;
import java.util.List;

/**
 * The connections of this rank to the others. What arrives is put into the {@link Mailbox}. For one thread, the
 * transport thread, but for {@link #reach} and {@link #wake()}.
 */
public interface Links extends AutoCloseable {
    /** The message length, in floats, that suits these connections best. */
    int chunkFloats();

    /**
     * Opens the connections to these ranks that are not open yet, several at once; before anything is sent to them. A rank
     * that cannot be reached is lost in the {@link Mailbox}, and what is sent to it is dropped: it may rightly have finished,
     * and is missed only by those that wait for it. Not for the transport thread. Bounded.
     */
    void reach(List<Integer> ranks);

    /** Queues {@code payload} for one rank, without waiting; the buffer goes back to the pool when it has been sent. */
    void send(Header.Kind kind, long sequence, int to, ByteBuffer payload);

    /** Queues {@code payload} for every other rank; the buffer goes back to the pool when all have been sent it. */
    void sendToAll(Header.Kind kind, long sequence, ByteBuffer payload);

    /** Bytes that are queued and not yet sent. */
    long queuedBytes();

    /** Waits until something arrives, something can be sent, or {@link #wake()} is called; at most {@code millis}. */
    void poll(long millis);

    /** Ends the current {@link #poll}, or the next one. */
    void wake();

    /** Drops what is queued. Never blocks. */
    @Override
    void close();
}
