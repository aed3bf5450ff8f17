package dev.kindling.data.shard;

import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import dev.kindling.data.token.Tokenizer;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Locale;
import java.util.zip.CRC32C;

/**
 * A shard in its folder, of which single blocks are read, each with a check of its checksum where the shard's version has
 * one. Nothing of it is held. Safe to share between threads.
 *
 * @param layout as the manifest says
 */
record Shard(ShardFolder folder, ShardInfo info, ShardLayout layout) {
    private static final String REMEDY = "restore it or run prepare again";

    /** What errors call it. */
    String name() {
        return folder.name() + "/" + info.name();
    }

    /**
     * The ids of a block.
     *
     * @throws DataException if it is missing, cut off or altered
     * @throws StoreException if the store failed, which says nothing of the shard
     */
    byte[] block(long number) {
        String part = String.format(
                Locale.ROOT,
                "block %,d (bytes %,d to %,d)",
                number,
                layout.position(number),
                layout.position(number) + layout.storedBytes(number) - 1);
        return checked(layout.position(number), layout.idBytes(number), number, part);
    }

    /** The lengths of its documents, in tokens; throws as {@link #block}. */
    int[] documents() {
        int bytes = layout.documentBytes() - ShardLayout.CHECKSUM_BYTES;
        byte[] lengths = checked(layout.endOfBlocks(), bytes, layout.documentsBlock(), "the list of its documents");
        int[] documents = new int[layout.documents()];
        ByteBuffer.wrap(lengths, 0, bytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .asIntBuffer()
                .get(documents);
        return documents;
    }

    /** Bytes with their checksum behind them; what seems altered is read a second time, since the way here may be at fault. */
    private byte[] checked(long position, int length, long number, String part) {
        byte[] stored = new byte[length + (layout.checked() ? ShardLayout.CHECKSUM_BYTES : 0)];
        read(position, stored, part);
        if (layout.checked() && !isIntact(stored, number)) {
            read(position, stored, part);
            if (!isIntact(stored, number)) {
                throw new DataException(
                        "%s was altered, or is another shard: %s does not have the checksum it was written with; %s",
                        name(), part, REMEDY);
            }
        }
        return stored;
    }

    private void read(long position, byte[] bytes, String part) {
        try {
            folder.read(info.name(), layout.fileBytes(), position, bytes);
        } catch (EOFException e) {
            throw new DataException(e, "%s is truncated: it ends before or in %s; %s", name(), part, REMEDY);
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    private boolean isIntact(byte[] stored, long number) {
        int length = stored.length - ShardLayout.CHECKSUM_BYTES;
        int checksum = ByteBuffer.wrap(stored).order(ByteOrder.LITTLE_ENDIAN).getInt(length);
        int shard = Integer.parseUnsignedInt(info.crc32c(), 16);
        return checksum == ShardLayout.checksum(stored, 0, length, shard, number);
    }

    private RuntimeException unreadable(IOException cause) {
        return DataException.of(
                String.format(
                        Locale.ROOT, "cannot read shard %s (%s); %s", name(), DataException.reason(cause), REMEDY),
                cause);
    }

    /**
     * Reads it from its beginning to its end with every check that its version allows.
     *
     * @throws DataException if it is damaged, of another vocabulary, or not the one that the manifest names
     */
    void verify(Tokenizer tokenizer) {
        try (InputStream in = folder.open(info.name())) {
            verify(in, tokenizer);
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    private void verify(InputStream in, Tokenizer tokenizer) throws IOException {
        byte[] head = in.readNBytes(ShardHeader.BYTES);
        if (!ShardHeader.hasMagic(head)) {
            throw new DataException(
                    "%s is not a shard: it does not begin with Kindling's magic number; %s", name(), REMEDY);
        }
        ShardHeader header = ShardHeader.decode(head, name());
        requireVocabulary(header, tokenizer);
        requireNamed(header);
        CRC32C crc = new CRC32C();
        for (long block = 0; block < layout.blocks(); block++) {
            byte[] stored = in.readNBytes(layout.storedBytes(block));
            requireWhole(stored.length == layout.storedBytes(block), layout.position(block) + stored.length);
            requireIntact(!layout.checked() || isIntact(stored, block), "its block " + block);
            crc.update(stored, 0, layout.idBytes(block));
        }
        requireIntact((int) crc.getValue() == header.crc32c(), "all of its ids");
        byte[] documents = in.readNBytes(layout.documentBytes());
        requireWhole(documents.length == layout.documentBytes(), layout.endOfBlocks() + documents.length);
        requireIntact(!layout.checked() || isIntact(documents, layout.documentsBlock()), "the list of its documents");
        if (in.read() >= 0) {
            throw new DataException(
                    "%s was altered: it goes on after the %,d bytes that its header promises; %s",
                    name(), layout.fileBytes(), REMEDY);
        }
    }

    private void requireVocabulary(ShardHeader header, Tokenizer tokenizer) {
        if (header.vocabularyHash() != tokenizer.vocabularyHash()) {
            throw new DataException(
                    "%s was written with another vocabulary (%s, %,d ids, hash %016x) than %s (hash %016x); run prepare again with one tokenizer",
                    name(),
                    header.tokenizer(),
                    header.vocabSize(),
                    header.vocabularyHash(),
                    tokenizer,
                    tokenizer.vocabularyHash());
        }
    }

    private void requireNamed(ShardHeader header) {
        String crc32c = String.format(Locale.ROOT, "%08x", header.crc32c());
        if (!header.layout().equals(layout) || !crc32c.equals(info.crc32c())) {
            throw new DataException(
                    "%s is not the shard that the manifest names: version %d, %,d tokens with CRC32C %s, not version %d, %,d with %s; %s",
                    name(),
                    header.version(),
                    header.tokens(),
                    crc32c,
                    layout.version(),
                    info.tokens(),
                    info.crc32c(),
                    REMEDY);
        }
    }

    private void requireWhole(boolean whole, long end) {
        if (!whole) {
            throw new DataException(
                    "%s is truncated: %,d bytes where its header promises %,d; %s",
                    name(), end, layout.fileBytes(), REMEDY);
        }
    }

    private void requireIntact(boolean intact, String part) {
        if (!intact) {
            throw new DataException(
                    "%s was altered: %s does not have the checksum it was written with; %s", name(), part, REMEDY);
        }
    }
}
