package dev.kindling.allreduce;

import java.nio.ByteBuffer;

/** Floats to little-endian bytes and back, and their sum. */
final class Floats {
    private Floats() {}

    /** A pooled buffer that holds data[from .. from+count). */
    static ByteBuffer encode(BufferPool pool, float[] data, int from, int count) {
        ByteBuffer bytes = pool.take(count * Float.BYTES);
        bytes.asFloatBuffer().put(data, from, count);
        return bytes;
    }

    /** data[from .. from+count) = the payload of {@code sender}, whose length must agree. */
    static void decode(ByteBuffer bytes, float[] data, int from, int count, Peer sender) {
        if (bytes.remaining() != count * Float.BYTES) {
            throw new AllReduceException(
                    sender.rank(),
                    sender.describe() + " sent " + bytes.remaining() / Float.BYTES + " values where this rank has "
                            + count + "; every rank must reduce the same buckets in the same order");
        }
        bytes.asFloatBuffer().get(data, from, count);
    }

    /** sum[i] += part[i] for i in 0 .. count. Element by element, so vectorising does not change a bit. */
    static void add(float[] sum, float[] part, int count) {
        for (int i = 0; i < count; i++) {
            sum[i] += part[i];
        }
    }
}
