package dev.kindling.allreduce;

import dev.kindling.allreduce.link.AllReduceException;
import dev.kindling.allreduce.link.BufferPool;
import dev.kindling.allreduce.link.Peer;
import dev.kindling.device.cpu.rows.Bf16Rows;
import java.nio.ByteBuffer;

/** Floats to little-endian bytes and back, and their sum. */
final class Floats {
    private Floats() {}

    /** Encodes [from .. from+count) of each operand into a pooled buffer, one operand after another. */
    static ByteBuffer encode(BufferPool pool, Rounding rounding, int from, int count, float[]... operands) {
        ByteBuffer bytes = pool.take(operands.length * count * rounding.bytes());
        for (float[] operand : operands) {
            put(bytes, rounding, operand, from, count);
        }
        return bytes.flip();
    }

    /** Encodes operand[from .. from+count) at the position of a little-endian buffer. */
    static void put(ByteBuffer bytes, Rounding rounding, float[] operand, int from, int count) {
        if (rounding == Rounding.BF16) {
            Bf16Rows.put(operand, from, count, bytes.asShortBuffer());
        } else {
            bytes.asFloatBuffer().put(operand, from, count);
        }
        bytes.position(bytes.position() + count * rounding.bytes());
    }

    /** Decodes the next values of a little-endian buffer into data[from .. from+count). */
    static void get(ByteBuffer bytes, Rounding rounding, float[] data, int from, int count) {
        if (rounding == Rounding.BF16) {
            Bf16Rows.get(bytes.asShortBuffer(), data, from, count);
        } else {
            bytes.asFloatBuffer().get(data, from, count);
        }
        bytes.position(bytes.position() + count * rounding.bytes());
    }

    /** Decodes the payload of {@code sender}, whose length must be right, into data[from .. from+count). */
    static void decode(ByteBuffer bytes, Rounding rounding, float[] data, int from, int count, Peer sender) {
        requireLength(bytes, rounding, count, sender);
        get(bytes, rounding, data, from, count);
    }

    static void requireLength(ByteBuffer bytes, Rounding rounding, int count, Peer sender) {
        if (bytes.remaining() != count * rounding.bytes()) {
            throw new AllReduceException(sender.describe() + " sent " + bytes.remaining() / rounding.bytes()
                    + " values where this rank has " + count
                    + "; every rank must reduce the same buckets in the same order");
        }
    }

    /** sum[i] += part[i] for i in 0 .. count-1. Element by element, so vectorising it does not change a bit. */
    static void add(float[] sum, float[] part, int count) {
        for (int i = 0; i < count; i++) {
            sum[i] += part[i];
        }
    }
}
