package dev.kindling.data.shard;

import dev.kindling.data.DataException;
import dev.kindling.data.token.Tokenizer;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Objects;
import java.util.zip.CRC32C;

/**
 * Writes ids as a shard: a {@link ShardHeader} of 64 bytes, then the ids, little-endian, as uint16 or,
 * where the vocabulary has more than 65,536, as uint32. Immutable, safe to share between threads.
 */
public final class ShardWriter {
    private static final int CHUNK_TOKENS = 1 << 14;

    private final Tokenizer tokenizer;
    private final int bytesPerToken;

    public ShardWriter(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        this.bytesPerToken = ShardHeader.bytesPerToken(tokenizer.vocabSize());
    }

    /**
     * Writes {@code ids[offset, offset + length)} as one shard and flushes the stream, which stays open. The caller
     * makes sure that a failure leaves nothing half-written, for example by {@link ShardFolder#write}.
     *
     * @return the CRC32C of the ids as written
     * @throws DataException if an id is outside the vocabulary
     */
    public int write(OutputStream out, int[] ids, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, ids.length);
        int end = offset + length;
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK_TOKENS * bytesPerToken).order(ByteOrder.LITTLE_ENDIAN);
        // The checksum stands before the ids and a stream cannot go back: encode twice, hold once.
        CRC32C crc = new CRC32C();
        for (int at = offset; at < end; at += CHUNK_TOKENS) {
            encode(ids, at, Math.min(end, at + CHUNK_TOKENS), chunk);
            crc.update(chunk);
        }
        int crc32c = (int) crc.getValue();
        out.write(ShardHeader.of(tokenizer, length, crc32c).encode());
        for (int at = offset; at < end; at += CHUNK_TOKENS) {
            encode(ids, at, Math.min(end, at + CHUNK_TOKENS), chunk);
            out.write(chunk.array(), 0, chunk.limit());
        }
        out.flush();
        return crc32c;
    }

    private void encode(int[] ids, int from, int to, ByteBuffer chunk) {
        chunk.clear();
        for (int i = from; i < to; i++) {
            int id = ids[i];
            if (id < 0 || id >= tokenizer.vocabSize()) {
                throw new DataException(
                        "cannot write id %,d at position %,d: the %s vocabulary has %,d ids; encode with the tokenizer that the shard is written for"
                                .formatted(id, i, tokenizer.id(), tokenizer.vocabSize()));
            }
            if (bytesPerToken == Short.BYTES) {
                chunk.putShort((short) id);
            } else {
                chunk.putInt(id);
            }
        }
        chunk.flip();
    }
}
