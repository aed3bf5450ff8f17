package dev.kindling.data.shard;

import java.util.Arrays;
import java.util.Locale;

/**
 * Where the documents of a split begin and end, in tokens. Holds their lengths as variable-length integers (LEB128: 7 bits a
 * byte), in groups of which the first token is known: 2.2 bytes a document of 128 to 16,383 tokens, 1.2 of shorter ones. To
 * find one takes a binary search and the lengths of one group.
 */
public final class DocumentIndex {
    /** Documents of a group. */
    private static final int GROUP = 256;

    private final long count;
    /** The first token of each group, then the end of all. */
    private final long[] starts;
    /** By group. */
    private final byte[][] lengths;

    private DocumentIndex(long count, long[] starts, byte[][] lengths) {
        this.count = count;
        this.starts = starts;
        this.lengths = lengths;
    }

    /** A document: its first token, and the one after its last. */
    public record Span(long start, long end) {}

    /** Takes documents in their order. */
    public interface Visitor {
        /** Takes one document, {@code end} being the token after its last one. */
        void visit(long start, long end);
    }

    /** How many documents there are. */
    public long count() {
        return count;
    }

    /** The tokens of all documents. */
    public long tokens() {
        return starts[lengths.length];
    }

    /** The document that holds a token. */
    public Span at(long token) {
        if (token < 0 || token >= tokens()) {
            throw new IndexOutOfBoundsException(
                    String.format(Locale.ROOT, "token %d of %d in documents", token, tokens()));
        }
        int found = Arrays.binarySearch(starts, token);
        int group = found >= 0 ? found : -found - 2;
        Lengths next = new Lengths(lengths[group]);
        long start = starts[group];
        long end = start + next.read();
        while (end <= token) {
            start = end;
            end += next.read();
        }
        return new Span(start, end);
    }

    /** Visits all documents. */
    public void forEach(Visitor visitor) {
        for (int group = 0; group < lengths.length; group++) {
            Lengths next = new Lengths(lengths[group]);
            for (long start = starts[group]; start < starts[group + 1]; ) {
                long end = start + next.read();
                visitor.visit(start, end);
                start = end;
            }
        }
    }

    /** Reads the lengths of a group. */
    private static final class Lengths {
        private final byte[] bytes;
        private int at;

        Lengths(byte[] bytes) {
            this.bytes = bytes;
        }

        long read() {
            long length = 0;
            int shift = 0;
            byte next;
            do {
                next = bytes[at++];
                length |= (long) (next & 0x7f) << shift;
                shift += 7;
            } while (next < 0);
            return length;
        }
    }

    /** Makes an index of lengths as they come. */
    public static final class Builder {
        /** Bytes of the largest length. */
        private static final int MOST_BYTES = 9;

        private final byte[] group = new byte[GROUP * MOST_BYTES];
        private int bytes;
        private long count;
        private long tokens;
        /** The first token of each group that is full, and of the one after them. */
        private long[] starts = new long[17];

        private byte[][] groups = new byte[16][];
        private int full;

        /** Adds a document of {@code length} tokens, 1 or more. */
        public void add(long length) {
            if (length < 1) {
                throw new IllegalArgumentException("a document of " + length + " tokens; it has one or more");
            }
            for (long left = length; ; left >>>= 7) {
                boolean last = left < 0x80;
                group[bytes++] = (byte) (last ? left : left | 0x80);
                if (last) {
                    break;
                }
            }
            tokens += length;
            if (++count % GROUP == 0) {
                close();
            }
        }

        private void close() {
            if (full == groups.length) {
                groups = Arrays.copyOf(groups, 2 * full);
                starts = Arrays.copyOf(starts, 2 * full + 1);
            }
            groups[full++] = Arrays.copyOf(group, bytes);
            starts[full] = tokens;
            bytes = 0;
        }

        public DocumentIndex build() {
            if (bytes > 0) {
                close();
            }
            return new DocumentIndex(count, Arrays.copyOf(starts, full + 1), Arrays.copyOf(groups, full));
        }
    }
}
