package dev.kindling.data.shard;

import dev.kindling.data.DataException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A file of token ids as nanoGPT's or llm.c's scripts write it: uint16, little-endian, and nothing else, or behind a header
 * of 256 int32: magic 20240520, version 1, number of tokens, zeros. Neither says which tokenizer its ids are of.
 *
 * @param dataStart byte at which the ids begin
 * @param tokens ids in the file
 */
public record TokenBin(long dataStart, long tokens) {
    private static final int LLM_C_MAGIC = 20_240_520;
    private static final int LLM_C_UINT32_MAGIC = 20_240_801;
    private static final int LLM_C_HEADER_BYTES = 1024;
    private static final int MOST_IDS = 1 << 16;
    private static final int WINDOW = 1 << 14;

    /**
     * Looks at a file from its beginning on. It is llm.c's if it has that header: the magic number, read as two GPT-2 ids,
     * would be out of the vocabulary.
     *
     * @param bytes length of the file
     * @param name what errors call it
     * @throws DataException if it is truncated, of another version, or no file of ids
     */
    public static TokenBin of(InputStream in, long bytes, String name) throws IOException {
        byte[] head = in.readNBytes(3 * Integer.BYTES);
        if (head.length > ShardHeader.MAGIC.length && ShardHeader.hasMagic(head)) {
            throw new DataException(
                    name + " is a shard of Kindling's, whose folder has lost its manifest.json; run prepare again");
        }
        ByteBuffer start = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN);
        int magic = head.length < 3 * Integer.BYTES ? 0 : start.getInt();
        if (magic == LLM_C_UINT32_MAGIC) {
            throw new DataException(
                    name
                            + " is an llm.c file of Llama-3 ids (uint32), which no tokenizer here decodes; tokenise it for GPT-2");
        }
        if (magic != LLM_C_MAGIC) {
            if (bytes % Short.BYTES != 0) {
                throw new DataException(
                        "%s holds %,d bytes, which is no sequence of uint16 ids; write it again", name, bytes);
            }
            return new TokenBin(0, bytes / Short.BYTES);
        }
        int version = start.getInt();
        if (version != 1) {
            throw new DataException(
                    "%s is an llm.c file of version %d, where 1 is known; write it again as version 1", name, version);
        }
        int tokens = start.getInt();
        if (tokens < 0 || LLM_C_HEADER_BYTES + (long) tokens * Short.BYTES != bytes) {
            throw new DataException(
                    "%s was truncated or altered: its header promises %,d ids, and %,d bytes are no such file; write it again",
                    name, tokens, bytes);
        }
        return new TokenBin(LLM_C_HEADER_BYTES, tokens);
    }

    /** Fails if ids of a vocabulary do not fit in 16 bits. */
    public static void requireUint16(int vocabSize) {
        if (vocabSize > MOST_IDS) {
            throw new DataException(
                    "the vocabulary has %,d ids, and nanoGPT's and llm.c's files hold uint16; use one of %,d or less",
                    vocabSize, MOST_IDS);
        }
    }

    /** Writes ids as nanoGPT has them. The stream stays open. */
    public static void write(TokenSequence tokens, OutputStream out) throws IOException {
        writeIds(tokens, 0, tokens.length(), out);
    }

    /** Writes a part of the ids as llm.c has them. The stream stays open. */
    public static void writeLlmC(TokenSequence tokens, long from, int count, OutputStream out) throws IOException {
        out.write(ByteBuffer.allocate(LLM_C_HEADER_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(LLM_C_MAGIC)
                .putInt(1)
                .putInt(count)
                .array());
        writeIds(tokens, from, from + count, out);
    }

    private static void writeIds(TokenSequence tokens, long from, long end, OutputStream out) throws IOException {
        int[] ids = new int[WINDOW];
        ByteBuffer bytes = ByteBuffer.allocate(WINDOW * Short.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (long at = from; at < end; at += WINDOW) {
            int n = (int) Math.min(WINDOW, end - at);
            tokens.copy(at, n, ids, 0);
            bytes.clear();
            for (int i = 0; i < n; i++) {
                bytes.putShort((short) ids[i]);
            }
            out.write(bytes.array(), 0, bytes.position());
        }
    }
}
