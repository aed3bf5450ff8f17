package dev.kindling.data.shard;

import java.util.zip.CRC32C;

/**
 * Where things lie in a shard. In version 2 the ids follow the header in blocks of {@value #BLOCK_BYTES} bytes (the last one
 * is shorter), each with its checksum behind it (4 bytes), so that a block can be read and checked alone; then come the
 * lengths of the documents in tokens (4 bytes each), and their checksum (4). In version 1 the ids are all that follows, and a
 * block is read unchecked. Everything is little-endian.
 *
 * @param version of the shard
 * @param bytesPerToken 2 or 4
 * @param tokens ids in the shard
 * @param documents whose lengths it holds; 0 in version 1
 */
record ShardLayout(int version, int bytesPerToken, long tokens, int documents) {
    /** Large enough that a window is seldom in two, small enough that little else is read with it. */
    static final int BLOCK_BYTES = 1 << 15;

    static final int CHECKSUM_BYTES = Integer.BYTES;

    /** Whether each block has a checksum. */
    boolean checked() {
        return version != ShardHeader.WITHOUT_BLOCKS;
    }

    int blockTokens() {
        return BLOCK_BYTES / bytesPerToken;
    }

    long blocks() {
        return (tokens + blockTokens() - 1) / blockTokens();
    }

    /** The bytes of ids in a block. */
    int idBytes(long block) {
        return (int) Math.min(blockTokens(), tokens - block * blockTokens()) * bytesPerToken;
    }

    /** The bytes of a block as it lies in the file. */
    int storedBytes(long block) {
        return idBytes(block) + (checked() ? CHECKSUM_BYTES : 0);
    }

    /** The byte of the file at which a block begins. */
    long position(long block) {
        return ShardHeader.BYTES + block * (BLOCK_BYTES + (checked() ? CHECKSUM_BYTES : 0));
    }

    /** The byte of the file at which the ids, and their checksums, end. */
    long endOfBlocks() {
        return ShardHeader.BYTES + tokens * bytesPerToken + (checked() ? blocks() * CHECKSUM_BYTES : 0);
    }

    /** The bytes of the documents' lengths and their checksum. */
    int documentBytes() {
        return checked() ? documents * Integer.BYTES + CHECKSUM_BYTES : 0;
    }

    long fileBytes() {
        return endOfBlocks() + documentBytes();
    }

    /**
     * CRC32C of a block's ids, then of the shard's checksum and the block's number: a block of another shard, or from another
     * place, does not pass.
     *
     * @param shard the CRC32C of all ids of the shard
     */
    static int checksum(byte[] ids, int offset, int length, int shard, long block) {
        CRC32C crc = new CRC32C();
        crc.update(ids, offset, length);
        for (int shift = 0; shift < Integer.SIZE; shift += Byte.SIZE) {
            crc.update(shard >>> shift);
        }
        for (int shift = 0; shift < Long.SIZE; shift += Byte.SIZE) {
            crc.update((int) (block >>> shift));
        }
        return (int) crc.getValue();
    }

    /** The number that the documents' lengths have among the blocks, in their checksum. */
    long documentsBlock() {
        return blocks();
    }
}
