package dev.kindling.allreduce;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;

/** Floats to little-endian bytes and back, and their sum. */
final class Floats {
    private Floats() {}

    /** A pooled buffer that holds [from .. from+count) of each operand. */
    static ByteBuffer encode(BufferPool pool, int from, int count, float[]... operands) {
        ByteBuffer bytes = pool.take(operands.length * count * Float.BYTES);
        FloatBuffer floats = bytes.asFloatBuffer();
        for (float[] operand : operands) {
            floats.put(operand, from, count);
        }
        return bytes;
    }

    /** data[from .. from+count) = the payload of {@code sender}, whose length must agree. */
    static void decode(ByteBuffer bytes, float[] data, int from, int count, Peer sender) {
        requireLength(bytes, count, sender);
        bytes.asFloatBuffer().get(data, from, count);
    }

    static void requireLength(ByteBuffer bytes, int count, Peer sender) {
        if (bytes.remaining() != count * Float.BYTES) {
            throw new AllReduceException(
                    sender.rank(),
                    sender.describe() + " sent " + bytes.remaining() / Float.BYTES + " values where this rank has "
                            + count + "; every rank must reduce the same buckets in the same order");
        }
    }

    /** sum[i] += part[i] for i in 0 .. count. Element by element, so vectorising does not change a bit. */
    static void add(float[] sum, float[] part, int count) {
        for (int i = 0; i < count; i++) {
            sum[i] += part[i];
        }
    }
}
