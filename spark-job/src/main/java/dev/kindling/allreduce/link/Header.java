package dev.kindling.allreduce.link;

import java.nio.ByteBuffer;
import java.util.List;

/**
 * What precedes every payload on the wire: magic, generation, sender, kind, sequence, payload bytes. Big-endian, 29
 * bytes. Decoding checks every field, since it comes from the network.
 */
public record Header(int generation, int from, Kind kind, long sequence, int bytes) {
    public static final int SIZE = 4 + 4 + 4 + 1 + 8 + 4;
    /** The most floats in one message: enough for full speed, and a bound on what a receiver must hold. */
    public static final int MAX_CHUNK_FLOATS = 1 << 19;

    /** The largest payload of one rank in a gather. */
    public static final int MAX_GATHER_BYTES = 4 << 20;

    static final int MAX_BYTES = MAX_GATHER_BYTES + Integer.BYTES;
    private static final int MAGIC = 0x4b4e4c31;
    /** By their number on the wire. */
    private static final List<Kind> KINDS = List.of(Kind.HELLO, Kind.CONTRIBUTION, Kind.RESULT, Kind.GATHER);

    public enum Kind {
        HELLO,
        CONTRIBUTION,
        RESULT,
        GATHER
    }

    ByteBuffer encode() {
        ByteBuffer out = ByteBuffer.allocate(SIZE);
        write(out);
        return out.flip();
    }

    public void write(ByteBuffer out) {
        out.putInt(MAGIC).putInt(generation).putInt(from).put((byte) KINDS.indexOf(kind));
        out.putLong(sequence).putInt(bytes);
    }

    /** Reads and checks a header; the payload stays in {@code in}. */
    public static Header decode(ByteBuffer in, int expectedGeneration, int worldSize) {
        if (in.remaining() < SIZE || in.getInt() != MAGIC) {
            throw new IllegalArgumentException("not a Kindling gradient message; the port is for Kindling ranks only");
        }
        int generation = in.getInt();
        if (generation != expectedGeneration) {
            throw new IllegalArgumentException("message of generation " + generation + " refused, this is generation "
                    + expectedGeneration + ": its sender is fenced and must stop");
        }
        int from = in.getInt();
        int kind = in.get();
        long sequence = in.getLong();
        int bytes = in.getInt();
        if (from < 0 || from >= worldSize || kind < 0 || kind >= KINDS.size() || sequence < 0) {
            throw new IllegalArgumentException("malformed gradient message: rank " + from + " of " + worldSize
                    + ", kind " + kind + ", sequence " + sequence);
        }
        if (bytes < 0 || bytes > MAX_BYTES) {
            throw new IllegalArgumentException(
                    "gradient message of " + bytes + " bytes refused; the bound is " + MAX_BYTES);
        }
        return new Header(generation, from, KINDS.get(kind), sequence, bytes);
    }
}
