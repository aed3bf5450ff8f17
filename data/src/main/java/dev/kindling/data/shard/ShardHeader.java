package dev.kindling.data.shard;

import dev.kindling.data.DataException;
import dev.kindling.data.token.Tokenizer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * The first 64 bytes of a shard, little-endian: magic (8 bytes), version (4), bytes a token (4),
 * tokens (8), vocabulary hash (8), tokenizer id in ASCII padded with NUL (16), vocabulary size (4),
 * CRC32C of the ids (4), documents (4; zero in version 1, whose manifest tells them), CRC32C of the 60 bytes before (4).
 * What follows is {@link ShardLayout}'s.
 *
 * @param version 1 or 2
 * @param crc32c of all ids as they lie in the file, without what lies between them
 * @param documents whose lengths follow the ids
 */
record ShardHeader(
        int version, String tokenizer, int vocabSize, long vocabularyHash, long tokens, int crc32c, int documents) {
    static final int BYTES = 64;
    /** Of shards that are written. */
    static final int VERSION = 2;
    /** Of shards without a checksum for each block. */
    static final int WITHOUT_BLOCKS = 1;

    static final byte[] MAGIC = "KNDLSHRD".getBytes(StandardCharsets.US_ASCII);

    private static final int TOKENIZER_BYTES = 16;
    private static final int CHECKED_BYTES = BYTES - Integer.BYTES;

    static ShardHeader of(Tokenizer tokenizer, long tokens, int crc32c, int documents) {
        return new ShardHeader(
                VERSION, tokenizer.id(), tokenizer.vocabSize(), tokenizer.vocabularyHash(), tokens, crc32c, documents);
    }

    /** 2 where every id fits in 16 bits without sign, otherwise 4. */
    static int bytesPerToken(int vocabSize) {
        return vocabSize <= 1 << 16 ? Short.BYTES : Integer.BYTES;
    }

    int bytesPerToken() {
        return bytesPerToken(vocabSize);
    }

    ShardLayout layout() {
        return new ShardLayout(version, bytesPerToken(), tokens, documents);
    }

    byte[] encode() {
        ByteBuffer bytes = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
        byte[] id = tokenizer.getBytes(StandardCharsets.US_ASCII);
        bytes.put(MAGIC).putInt(version).putInt(bytesPerToken()).putLong(tokens).putLong(vocabularyHash);
        bytes.put(Arrays.copyOf(id, TOKENIZER_BYTES))
                .putInt(vocabSize)
                .putInt(crc32c)
                .putInt(documents);
        return bytes.putInt(crc(bytes.array())).array();
    }

    /** Also true of a file that was cut short within the magic. */
    static boolean hasMagic(byte[] head) {
        int length = Math.min(head.length, MAGIC.length);
        return Arrays.equals(head, 0, length, MAGIC, 0, length);
    }

    /** Expects the magic to be there. */
    static ShardHeader decode(byte[] head, String name) {
        if (head.length < BYTES) {
            throw new DataException(
                    "%s is truncated: %d bytes of a header of %d; restore it or run prepare again",
                    name, head.length, BYTES);
        }
        ByteBuffer bytes = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).position(MAGIC.length);
        int version = bytes.getInt();
        boolean intact = bytes.getInt(CHECKED_BYTES) == crc(head);
        if (version != VERSION && version != WITHOUT_BLOCKS && intact) {
            throw new DataException(
                    "%s is a shard of version %d, where this Kindling reads versions %d and %d; run prepare again, or use the Kindling that wrote it",
                    name, version, WITHOUT_BLOCKS, VERSION);
        }
        if (!intact) {
            throw new DataException(
                    "%s was altered: its header does not have the checksum it was written with; restore it or run prepare again",
                    name);
        }
        bytes.getInt(); // the width follows from the vocabulary size
        long tokens = bytes.getLong();
        long vocabularyHash = bytes.getLong();
        byte[] id = new byte[TOKENIZER_BYTES];
        bytes.get(id);
        String tokenizer = new String(id, StandardCharsets.US_ASCII).replace("\0", "");
        return new ShardHeader(
                version, tokenizer, bytes.getInt(), vocabularyHash, tokens, bytes.getInt(), bytes.getInt());
    }

    private static int crc(byte[] header) {
        CRC32C crc = new CRC32C();
        crc.update(header, 0, CHECKED_BYTES);
        return (int) crc.getValue();
    }
}
