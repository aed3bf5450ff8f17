package dev.kindling.data.shard;

import dev.kindling.data.DataException;
import dev.kindling.data.token.Tokenizer;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.zip.CRC32C;

/**
 * Gathers the ids of a shard, encoded as they come, and writes it: a {@link ShardHeader} of 64 bytes,
 * then the ids in blocks, little-endian, as uint16 or, where the vocabulary has more than 65,536, as uint32, and the
 * documents' lengths, see {@link ShardLayout}. The header holds the count and the checksum of the ids and a stream cannot go
 * back, so they are held until then: two bytes (or four) each. Not thread-safe.
 */
final class ShardWriter {
    private static final int CHUNK_TOKENS = 1 << 19;

    private final Tokenizer tokenizer;
    private final int bytesPerToken;
    private final List<ByteBuffer> chunks = new ArrayList<>();
    private int tokens;

    ShardWriter(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        this.bytesPerToken = ShardHeader.bytesPerToken(tokenizer.vocabSize());
    }

    /** The ids gathered so far. */
    int tokens() {
        return tokens;
    }

    /**
     * Adds {@code ids[offset, offset + length)}.
     *
     * @throws DataException if an id is outside the vocabulary
     */
    void add(int[] ids, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, ids.length);
        for (int i = offset; i < offset + length; i++) {
            int id = ids[i];
            if (id < 0 || id >= tokenizer.vocabSize()) {
                throw new DataException(
                        "cannot write id %,d at position %,d: the %s vocabulary has %,d ids; encode with the tokenizer that the shard is written for",
                        id, i, tokenizer.id(), tokenizer.vocabSize());
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
     * @param documents the lengths of its documents, in tokens
     * @return the CRC32C of the ids as written
     */
    int write(OutputStream out, int[] documents) throws IOException {
        CRC32C crc = new CRC32C();
        chunks.forEach(chunk -> crc.update(chunk.duplicate().flip()));
        int crc32c = (int) crc.getValue();
        ShardHeader header = ShardHeader.of(tokenizer, tokens, crc32c, documents.length);
        out.write(header.encode());
        long block = 0;
        for (ByteBuffer chunk : chunks) {
            for (int at = 0; at < chunk.position(); at += ShardLayout.BLOCK_BYTES) {
                int length = Math.min(ShardLayout.BLOCK_BYTES, chunk.position() - at);
                writeChecked(chunk.array(), chunk.arrayOffset() + at, length, crc32c, block++, out);
            }
        }
        ByteBuffer lengths =
                ByteBuffer.allocate(documents.length * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        lengths.asIntBuffer().put(documents);
        writeChecked(
                lengths.array(), 0, lengths.capacity(), crc32c, header.layout().documentsBlock(), out);
        out.flush();
        return crc32c;
    }

    private static void writeChecked(byte[] bytes, int offset, int length, int shard, long block, OutputStream out)
            throws IOException {
        out.write(bytes, offset, length);
        int checksum = ShardLayout.checksum(bytes, offset, length, shard, block);
        out.write(ByteBuffer.allocate(ShardLayout.CHECKSUM_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(checksum)
                .array());
    }

    /** Forgets the ids, for the next shard. */
    void clear() {
        chunks.forEach(ByteBuffer::clear);
        tokens = 0;
    }
}
