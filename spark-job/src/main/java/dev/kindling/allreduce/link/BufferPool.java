package dev.kindling.allreduce.link;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Direct little-endian buffers, pooled by power-of-two capacity. A buffer belongs to its taker until it is given back;
 * those in the hands of a broken connection never are, and are left to the garbage collector. Thread-safe.
 */
public final class BufferPool {
    private static final int SMALLEST = 8;
    private final List<Deque<ByteBuffer>> free = new ArrayList<>();

    public BufferPool() {
        for (int i = 0; i <= 32 - Integer.numberOfLeadingZeros(Header.MAX_BYTES); i++) {
            free.add(new ArrayDeque<>());
        }
    }

    /** A buffer with position 0 and limit {@code bytes}. */
    public ByteBuffer take(int bytes) {
        int shift = Math.max(SMALLEST, 32 - Integer.numberOfLeadingZeros(Math.max(1, bytes) - 1));
        ByteBuffer buffer;
        synchronized (free) {
            buffer = free.get(shift).poll();
        }
        if (buffer == null) {
            buffer = ByteBuffer.allocateDirect(1 << shift).order(ByteOrder.LITTLE_ENDIAN);
        }
        return buffer.clear().limit(bytes);
    }

    public void giveBack(ByteBuffer buffer) {
        int shift = 31 - Integer.numberOfLeadingZeros(buffer.capacity());
        synchronized (free) {
            free.get(shift).push(buffer);
        }
    }
}
