package dev.kindling.data.shard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.Tokenizer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ShardTest {
    private static final Tokenizer SMALL = CharTokenizer.of("abcdefghijklm".codePoints());
    /** More than 65,536 ids, so four bytes each. */
    private static final Tokenizer LARGE =
            CharTokenizer.of(IntStream.range(0, 70_000).map(i -> i + 0x10000));

    private static final int BLOCK_TOKENS = ShardLayout.BLOCK_BYTES / Short.BYTES;

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 207, 16_384, 40_001})
    void readsWhatWasWritten(int length) throws IOException {
        for (Tokenizer tokenizer : new Tokenizer[] {SMALL, LARGE, new BpeTokenizer()}) {
            int[] ids = ids(tokenizer, length);
            Shard shard = write(tokenizer, ids, length);
            int bytes = length * (tokenizer == LARGE ? 4 : 2);
            int blocks = (bytes + ShardLayout.BLOCK_BYTES - 1) / ShardLayout.BLOCK_BYTES;
            assertThat(folder.resolve("x.bin")).hasSize(64 + bytes + 4 * blocks + 8);
            assertThat(shard.layout().fileBytes()).isEqualTo(Files.size(folder.resolve("x.bin")));
            assertThat(all(tokens(shard))).isEqualTo(ids);
            assertThat(shard.documents()).containsExactly(length);
            shard.verify(tokenizer);
        }
    }

    @Test
    void copiesAnyRangeAndChecksIt() throws IOException {
        int[] ids = ids(SMALL, 3 * BLOCK_TOKENS + 5);
        TokenSequence tokens = tokens(write(SMALL, ids));
        int[] dst = new int[2 * BLOCK_TOKENS];
        for (int offset : new int[] {0, 194, BLOCK_TOKENS - 1, BLOCK_TOKENS, ids.length - 17}) {
            for (int length : new int[] {0, 1, 2, 17, BLOCK_TOKENS + 3}) {
                if (offset + length <= ids.length) {
                    Arrays.fill(dst, -7);
                    tokens.copy(offset, length, dst, 3);
                    assertThat(Arrays.copyOfRange(dst, 3, 3 + length))
                            .isEqualTo(Arrays.copyOfRange(ids, offset, offset + length));
                    assertThat(dst[2]).isEqualTo(-7);
                    assertThat(dst[3 + length]).isEqualTo(-7);
                }
            }
        }
        int end = ids.length - 12;
        assertThatThrownBy(() -> tokens.copy(end, 13, dst, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> tokens.copy(-1, 1, dst, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> tokens.copy(0, 13, dst, dst.length - 12))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void laysIdsOutAsLittleEndianUint16() throws IOException {
        write(new BpeTokenizer(), new int[] {0x0102, 50256});
        byte[] bytes = Files.readAllBytes(folder.resolve("x.bin"));
        assertThat(Arrays.copyOfRange(bytes, 64, 68)).containsExactly(0x02, 0x01, 0x50, 0xC4);
        assertThat(new String(bytes, 0, 8, StandardCharsets.US_ASCII)).isEqualTo("KNDLSHRD");
        assertThat(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(16))
                .isEqualTo(2);
    }

    @Test
    void findsEveryAlteredByte() throws IOException {
        Shard shard = write(SMALL, ids(SMALL, 13), 6, 7);
        Path file = folder.resolve("x.bin");
        byte[] good = Files.readAllBytes(file);
        int endOfBlock = 64 + 13 * 2 + 4;
        for (int at = 0; at < good.length; at++) {
            for (int bit = 0; bit < 8; bit++) {
                byte[] bad = good.clone();
                bad[at] ^= (byte) (1 << bit);
                Files.write(file, bad);
                assertThatThrownBy(() -> shard.verify(SMALL))
                        .as("bit %d of byte %d", bit, at)
                        .isInstanceOf(DataException.class)
                        .hasMessageMatching(
                                ".*x\\.bin (was altered|is not a shard).*; restore it or run prepare again");
                if (at >= endOfBlock) {
                    assertThatThrownBy(shard::documents).hasMessageContaining("the list of its documents");
                } else if (at >= 64) {
                    assertThatThrownBy(() -> shard.block(0))
                            .isInstanceOf(DataException.class)
                            .hasMessageContainingAll("x.bin was altered", "block 0 (bytes 64 to 93)");
                }
            }
        }
    }

    @Test
    void findsEveryTruncationAndEveryAddition() throws IOException {
        Shard shard = write(SMALL, ids(SMALL, 13));
        Path file = folder.resolve("x.bin");
        byte[] good = Files.readAllBytes(file);
        for (int length = 0; length < good.length; length++) {
            Files.write(file, Arrays.copyOf(good, length));
            assertThatThrownBy(() -> shard.verify(SMALL))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("x.bin is truncated:");
            assertThatThrownBy(length < 94 ? () -> shard.block(0) : shard::documents)
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("x.bin is truncated: it ends before or in");
        }
        Files.write(file, Arrays.copyOf(good, good.length + 1));
        assertThatThrownBy(() -> shard.verify(SMALL))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("it goes on after the 98 bytes");
    }

    /** Only what is asked for is read, so that the rest of a damaged shard can be used. */
    @Test
    void aDamagedBlockIsNamedWithItsPlace() throws IOException {
        int[] ids = ids(SMALL, 3 * BLOCK_TOKENS);
        Shard shard = write(SMALL, ids);
        Path file = folder.resolve("x.bin");
        byte[] good = Files.readAllBytes(file);
        byte[] bad = good.clone();
        bad[(int) shard.layout().position(1) + 4_000] ^= 1;
        Files.write(file, bad);
        TokenSequence tokens = tokens(shard);
        int[] dst = new int[BLOCK_TOKENS];
        tokens.copy(0, BLOCK_TOKENS, dst, 0);
        assertThat(dst).isEqualTo(Arrays.copyOf(ids, BLOCK_TOKENS));
        tokens.copy(2L * BLOCK_TOKENS, BLOCK_TOKENS, dst, 0);
        assertThatThrownBy(() -> tokens.copy(BLOCK_TOKENS, 1, dst, 0))
                .isInstanceOf(DataException.class)
                .hasMessageContainingAll("x.bin was altered", "block 1 (bytes 32,836 to 65,607)", "run prepare again");

        System.arraycopy(good, 64, bad, 64 + ShardLayout.BLOCK_BYTES + 4, ShardLayout.BLOCK_BYTES + 4);
        Files.write(file, bad);
        assertThatThrownBy(() -> tokens.copy(BLOCK_TOKENS, 1, dst, 0))
                .as("a whole block, in another place")
                .hasMessageContaining("block 1 (bytes");

        ids[0] ^= 1;
        write(SMALL, ids);
        assertThatThrownBy(() -> tokens(shard).copy(2L * BLOCK_TOKENS, 1, dst, 0))
                .as("the same block, of another shard")
                .hasMessageContainingAll("was altered, or is another shard", "block 2 (bytes");
    }

    @Test
    void refusesAnotherVersion() throws IOException {
        Shard shard = write(SMALL, ids(SMALL, 13));
        Path file = folder.resolve("x.bin");
        byte[] bytes = Files.readAllBytes(file);
        ByteBuffer header =
                ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(8, 3);
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, 60);
        header.putInt(60, (int) crc.getValue());
        Files.write(file, bytes);
        assertThatThrownBy(() -> shard.verify(SMALL))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("x.bin is a shard of version 3, where this Kindling reads versions 1 and 2");
    }

    @Test
    void refusesAnotherVocabulary() throws IOException {
        Shard shard = write(SMALL, ids(SMALL, 13));
        assertThatThrownBy(() -> shard.verify(CharTokenizer.of("abcdefghijklx".codePoints())))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("another vocabulary (char, 13 ids, hash");
    }

    @Test
    void refusesToWriteIdsOutsideTheVocabulary() {
        for (int id : new int[] {-1, 13, 65_536}) {
            assertThatThrownBy(() -> write(SMALL, new int[] {1, id}))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("at position 4: the char vocabulary has 13 ids");
        }
    }

    @Test
    void saysWhichFileIsMissing() throws IOException {
        Shard shard = write(SMALL, ids(SMALL, 13));
        Files.delete(folder.resolve("x.bin"));
        for (var reading : List.<org.assertj.core.api.ThrowableAssert.ThrowingCallable>of(
                () -> shard.block(0), shard::documents, () -> shard.verify(SMALL))) {
            assertThatThrownBy(reading)
                    .isInstanceOf(DataException.class)
                    .hasMessageContainingAll("x.bin", "NoSuchFileException");
        }
    }

    static int[] all(TokenSequence tokens) {
        int[] ids = new int[(int) tokens.length()];
        tokens.copy(0, ids.length, ids, 0);
        return ids;
    }

    private static TokenSequence tokens(Shard shard) {
        return new SplitTokens("train", List.of(shard), new BlockCache(shard.folder()));
    }

    /** Writes x.bin. */
    private Shard write(Tokenizer tokenizer, int[] ids, int... documents) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int[] padded = new int[ids.length + 5];
        System.arraycopy(ids, 0, padded, 3, ids.length);
        ShardWriter writer = new ShardWriter(tokenizer);
        writer.add(new int[] {0, 1}, 0, 2);
        writer.clear();
        writer.add(padded, 3, ids.length);
        int crc32c = writer.write(out, documents);
        Files.write(folder.resolve("x.bin"), out.toByteArray());
        int bytesPerToken = tokenizer.vocabSize() > 1 << 16 ? 4 : 2;
        return new Shard(
                new LocalShardFolder(folder),
                new ShardInfo("x.bin", ids.length, String.format(Locale.ROOT, "%08x", crc32c), documents.length, false),
                new ShardLayout(2, bytesPerToken, ids.length, documents.length));
    }

    private static int[] ids(Tokenizer tokenizer, int length) {
        return new Random(length).ints(length, 0, tokenizer.vocabSize()).toArray();
    }
}
