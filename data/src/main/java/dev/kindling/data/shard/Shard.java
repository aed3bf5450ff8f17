package dev.kindling.data.shard;

import dev.kindling.data.DataException;
import dev.kindling.data.token.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.zip.CRC32C;

/**
 * Token ids from a file, checked when read: Kindling's own shards (every byte is under a checksum),
 * llm.c's {@code .bin} (a header with the count), and, only where asked for, nanoGPT's {@code .bin},
 * which is uint16 and nothing else. Files on a local disk are mapped, streams are held on the heap.
 */
public final class Shard implements TokenSequence {
    private static final int LLM_C_MAGIC = 20_240_520;
    private static final int LLM_C_UINT32_MAGIC = 20_240_801;
    private static final int LLM_C_HEADER_BYTES = 1024;
    private static final int SEGMENT_BYTES = 1 << 27;

    private final String name;
    private final List<ByteBuffer> segments;
    private final long length;
    private final int bytesPerToken;
    private final ShardHeader header;

    private Shard(String name, List<ByteBuffer> segments, int bytesPerToken, ShardHeader header) {
        this.name = name;
        this.segments = segments;
        this.bytesPerToken = bytesPerToken;
        this.header = header;
        this.length = segments.stream().mapToLong(ByteBuffer::limit).sum() / bytesPerToken;
    }

    /**
     * Reads a shard, or an llm.c file, to its end. The caller closes the stream.
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

    /**
     * Opens nanoGPT's {@code .bin} on a local disk, which must not be changed while in use. Nothing in such a file tells
     * whether it is whole; {@link #requireVocabulary} at least finds ids that cannot be.
     *
     * @throws DataException if it is empty or of an odd number of bytes
     */
    public static Shard openHeaderless(Path file) {
        return reading(file.toString(), () -> {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
                return headerless(ShardSource.of(channel), file.toString());
            }
        });
    }

    /**
     * Opens a {@code .bin} from another project: llm.c's where the file has its header, else nanoGPT's.
     * The magic number, read as two GPT-2 ids, would be out of the vocabulary.
     */
    static Shard openBin(Path file) {
        return reading(file.toString(), () -> {
            try (InputStream in = Files.newInputStream(file)) {
                byte[] head = in.readNBytes(Integer.BYTES);
                int magic = head.length < Integer.BYTES
                        ? 0
                        : ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).getInt();
                boolean headed = magic == LLM_C_MAGIC || magic == LLM_C_UINT32_MAGIC;
                return headed ? open(file) : openHeaderless(file);
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
        if (ShardHeader.hasMagic(head)) {
            ShardHeader header = ShardHeader.decode(head, name);
            List<ByteBuffer> segments = segments(source, header.tokens() * header.bytesPerToken(), name);
            requireChecksum(segments, header, name);
            return new Shard(name, segments, header.bytesPerToken(), header);
        }
        ByteBuffer start = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN);
        int magic = head.length < 3 * Integer.BYTES ? 0 : start.getInt();
        if (magic == LLM_C_UINT32_MAGIC) {
            throw new DataException(
                    name
                            + " is an llm.c file of Llama-3 ids (uint32), which no tokenizer here decodes; tokenise it for GPT-2");
        }
        if (magic != LLM_C_MAGIC) {
            throw new DataException(
                    name
                            + " is not a shard: it begins with neither Kindling's nor llm.c's magic number; restore it or run prepare again");
        }
        int version = start.getInt();
        if (version != 1) {
            throw new DataException(String.format(
                    Locale.ROOT,
                    "%s is an llm.c file of version %d, where 1 is known; write it again as version 1",
                    name,
                    version));
        }
        int tokens = start.getInt();
        source.next(LLM_C_HEADER_BYTES - ShardHeader.BYTES);
        if (tokens < 0) {
            throw new DataException(
                    String.format(Locale.ROOT, "%s was altered: it claims %d tokens; write it again", name, tokens));
        }
        return new Shard(name, segments(source, (long) tokens * Short.BYTES, name), Short.BYTES, null);
    }

    private static Shard headerless(ShardSource source, String name) throws IOException {
        List<ByteBuffer> segments = new ArrayList<>();
        ByteBuffer segment = source.next(SEGMENT_BYTES);
        long bytes = 0;
        while (segment.hasRemaining()) {
            bytes += segment.remaining();
            segments.add(segment.order(ByteOrder.LITTLE_ENDIAN));
            segment = source.next(SEGMENT_BYTES);
        }
        if (bytes == 0 || bytes % Short.BYTES != 0) {
            throw new DataException(String.format(
                    Locale.ROOT,
                    "%s holds %,d bytes, which is no sequence of uint16 ids; write nanoGPT's .bin again",
                    name,
                    bytes));
        }
        return new Shard(name, segments, Short.BYTES, null);
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
     * Checks that the ids are this vocabulary's: by the header's hash or, where the file has none, by
     * looking at every id.
     *
     * @throws DataException if they are not
     */
    public void requireVocabulary(Tokenizer tokenizer) {
        if (header == null) {
            requireIdsBelow(tokenizer);
        } else if (header.vocabularyHash() != tokenizer.vocabularyHash()) {
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

    private void requireIdsBelow(Tokenizer tokenizer) {
        int[] window = new int[1 << 14];
        for (long at = 0; at < length; at += window.length) {
            int count = (int) Math.min(window.length, length - at);
            copy(at, count, window, 0);
            for (int i = 0; i < count; i++) {
                if (window[i] >= tokenizer.vocabSize()) {
                    throw new DataException(String.format(
                            Locale.ROOT,
                            "%s holds id %,d at position %,d, outside the %s vocabulary of %,d ids; give the tokenizer it was written with",
                            name,
                            window[i],
                            at + i,
                            tokenizer.id(),
                            tokenizer.vocabSize()));
                }
            }
        }
    }

    /** The CRC32C of the ids, 8 hexadecimal digits; empty where the file's format has none. */
    public String crc32c() {
        return header == null ? "" : String.format(Locale.ROOT, "%08x", header.crc32c());
    }
}
