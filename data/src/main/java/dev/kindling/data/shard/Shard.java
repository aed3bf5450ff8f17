package dev.kindling.data.shard;

import dev.kindling.data.DataException;
import dev.kindling.data.token.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.zip.CRC32C;

/**
 * Token ids from a file, every byte of which is under a checksum that is verified when it is read. Files on a local disk
 * are mapped, streams are held on the heap.
 */
public final class Shard implements TokenSequence {
    private static final int SEGMENT_BYTES = 1 << 27;

    private final String name;
    private final List<ByteBuffer> segments;
    private final long length;
    private final int bytesPerToken;
    private final ShardHeader header;

    private Shard(String name, List<ByteBuffer> segments, ShardHeader header) {
        this.name = name;
        this.segments = segments;
        this.bytesPerToken = header.bytesPerToken();
        this.header = header;
        this.length = header.tokens();
    }

    /**
     * Reads a shard to its end. The caller closes the stream.
     *
     * @param name what errors call it
     * @throws DataException if it is truncated, altered, of another version, or no shard at all
     */
    public static Shard read(InputStream in, String name) {
        return reading(name, () -> withHeader(ShardSource.of(in), name));
    }

    /** As {@link #read}, from a local file, which must not be changed while the shard is in use. */
    public static Shard open(Path file) {
        return open(file, file.toString());
    }

    /** As {@link #open(Path)}, from a copy on a local disk of the file that errors call {@code name}. */
    public static Shard open(Path file, String name) {
        return reading(name, () -> {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
                return withHeader(ShardSource.of(channel), name);
            }
        });
    }

    private interface Reading {
        Shard read() throws IOException;
    }

    private static Shard reading(String name, Reading reading) {
        try {
            return reading.read();
        } catch (IOException e) {
            throw DataException.of(
                    String.format(
                            Locale.ROOT,
                            "cannot read shard %s (%s); check that it exists and may be read",
                            name,
                            DataException.reason(e)),
                    e);
        }
    }

    private static Shard withHeader(ShardSource source, String name) throws IOException {
        byte[] head = bytes(source.next(ShardHeader.BYTES));
        if (!ShardHeader.hasMagic(head)) {
            throw new DataException(
                    name
                            + " is not a shard: it does not begin with Kindling's magic number; restore it or run prepare again");
        }
        ShardHeader header = ShardHeader.decode(head, name);
        List<ByteBuffer> segments = segments(source, header.tokens() * header.bytesPerToken(), name);
        requireChecksum(segments, header, name);
        return new Shard(name, segments, header);
    }

    /** Reads exactly {@code bytes} bytes, after which the file must end. */
    private static List<ByteBuffer> segments(ShardSource source, long bytes, String name) throws IOException {
        List<ByteBuffer> segments = new ArrayList<>();
        for (long left = bytes; left > 0; left -= SEGMENT_BYTES) {
            int wanted = (int) Math.min(left, SEGMENT_BYTES);
            ByteBuffer segment = source.next(wanted);
            if (segment.remaining() < wanted) {
                throw new DataException(String.format(
                        Locale.ROOT,
                        "%s is truncated: %,d bytes of ids where its header promises %,d; restore it or run prepare again",
                        name,
                        bytes - left + segment.remaining(),
                        bytes));
            }
            segments.add(segment.order(ByteOrder.LITTLE_ENDIAN));
        }
        if (source.next(1).hasRemaining()) {
            throw new DataException(String.format(
                    Locale.ROOT,
                    "%s was altered: it goes on after the %,d bytes of ids that its header promises; restore it or run prepare again",
                    name,
                    bytes));
        }
        return segments;
    }

    private static void requireChecksum(List<ByteBuffer> segments, ShardHeader header, String name) {
        CRC32C crc = new CRC32C();
        segments.forEach(segment -> crc.update(segment.duplicate()));
        if ((int) crc.getValue() != header.crc32c()) {
            throw new DataException(String.format(
                    Locale.ROOT,
                    "%s was altered: its ids have CRC32C %08x where its header says %08x; restore it or run prepare again",
                    name,
                    (int) crc.getValue(),
                    header.crc32c()));
        }
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    /** What errors call the shard. */
    @Override
    public String name() {
        return name;
    }

    @Override
    public long length() {
        return length;
    }

    @Override
    public void copy(long offset, int count, int[] dst, int dstOffset) {
        Objects.checkFromIndexSize(offset, count, length);
        Objects.checkFromIndexSize(dstOffset, count, dst.length);
        int done = 0;
        while (done < count) {
            long at = (offset + done) * bytesPerToken;
            ByteBuffer segment = segments.get((int) (at / SEGMENT_BYTES));
            int position = (int) (at % SEGMENT_BYTES);
            int here = Math.min(count - done, (segment.limit() - position) / bytesPerToken);
            for (int i = 0; i < here; i++) {
                dst[dstOffset + done + i] = bytesPerToken == Short.BYTES
                        ? Short.toUnsignedInt(segment.getShort(position + i * Short.BYTES))
                        : segment.getInt(position + i * Integer.BYTES);
            }
            done += here;
        }
    }

    /**
     * Checks by the header's hash that the ids are this vocabulary's.
     *
     * @throws DataException if they are not
     */
    public void requireVocabulary(Tokenizer tokenizer) {
        if (header.vocabularyHash() != tokenizer.vocabularyHash()) {
            throw new DataException(String.format(
                    Locale.ROOT,
                    "%s was written with another vocabulary (%s, %,d ids, hash %016x) than %s (hash %016x); run prepare again with one tokenizer",
                    name,
                    header.tokenizer(),
                    header.vocabSize(),
                    header.vocabularyHash(),
                    tokenizer,
                    tokenizer.vocabularyHash()));
        }
    }

    /** The CRC32C of the ids, 8 hexadecimal digits. */
    public String crc32c() {
        return String.format(Locale.ROOT, "%08x", header.crc32c());
    }
}
