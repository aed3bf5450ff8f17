package dev.kindling.data.shard;

import dev.kindling.data.DataException;
import dev.kindling.data.token.Tokenizer;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.zip.CRC32C;

/**
 * Gathers the ids of a shard, encoded as they come, and writes it: a {@link ShardHeader} of 64 bytes,
 * then the ids, little-endian, as uint16 or, where the vocabulary has more than 65,536, as uint32. The
 * header holds the count and the checksum of what follows it and a stream cannot go back, so the ids
 * are held until then: two bytes (or four) each. Not thread-safe.
 */
public final class ShardWriter {
    private static final int CHUNK_TOKENS = 1 << 19;

    private final Tokenizer tokenizer;
    private final int bytesPerToken;
    private final List<ByteBuffer> chunks = new ArrayList<>();
    private int tokens;

    public ShardWriter(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        this.bytesPerToken = ShardHeader.bytesPerToken(tokenizer.vocabSize());
    }

    /** The ids gathered so far. */
    public int tokens() {
        return tokens;
    }

    /**
     * Adds {@code ids[offset, offset + length)}.
     *
     * @throws DataException if an id is outside the vocabulary
     */
    public void add(int[] ids, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, ids.length);
        for (int i = offset; i < offset + length; i++) {
            int id = ids[i];
            if (id < 0 || id >= tokenizer.vocabSize()) {
                throw new DataException(String.format(
                        Locale.ROOT,
                        "cannot write id %,d at position %,d: the %s vocabulary has %,d ids; encode with the tokenizer that the shard is written for",
                        id,
                        i,
                        tokenizer.id(),
                        tokenizer.vocabSize()));
            }
            ByteBuffer chunk = chunk();
            if (bytesPerToken == Short.BYTES) {
                chunk.putShort((short) id);
            } else {
                chunk.putInt(id);
            }
            tokens++;
        }
    }

    private ByteBuffer chunk() {
        int number = tokens / CHUNK_TOKENS;
        if (number == chunks.size()) {
            chunks.add(ByteBuffer.allocate(CHUNK_TOKENS * bytesPerToken).order(ByteOrder.LITTLE_ENDIAN));
        }
        return chunks.get(number);
    }

    /**
     * Writes the shard and flushes the stream, which stays open. Whoever opened the stream sees to it that
     * a failure leaves nothing half-written; {@link ShardFolder#write} does.
     *
     * @return the CRC32C of the ids as written
     */
    public int write(OutputStream out) throws IOException {
        CRC32C crc = new CRC32C();
        chunks.forEach(chunk -> crc.update(chunk.duplicate().flip()));
        int crc32c = (int) crc.getValue();
        out.write(ShardHeader.of(tokenizer, tokens, crc32c).encode());
        for (ByteBuffer chunk : chunks) {
            out.write(chunk.array(), chunk.arrayOffset(), chunk.position());
        }
        out.flush();
        return crc32c;
    }

    /** Forgets the ids, for the next shard. */
    public void clear() {
        chunks.forEach(ByteBuffer::clear);
        tokens = 0;
    }
}
