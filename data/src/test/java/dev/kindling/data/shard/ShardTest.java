package dev.kindling.data.shard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.Tokenizer;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
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

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 13, 207, 16_384, 40_001})
    void readsWhatWasWritten(int length) throws IOException {
        for (Tokenizer tokenizer : new Tokenizer[] {SMALL, LARGE, new BpeTokenizer()}) {
            int[] ids = ids(tokenizer, length);
            byte[] bytes = write(tokenizer, ids);
            assertThat(bytes).hasSize(64 + length * (tokenizer == LARGE ? 4 : 2));
            Path file = Files.write(folder.resolve("s.bin"), bytes);
            for (Shard shard : new Shard[] {read(bytes), Shard.open(file)}) {
                assertThat(all(shard)).isEqualTo(ids);
                shard.requireVocabulary(tokenizer);
            }
        }
    }

    @Test
    void copiesAnyRangeAndChecksIt() throws IOException {
        int[] ids = ids(SMALL, 207);
        Shard shard = read(write(SMALL, ids));
        int[] dst = new int[20];
        Arrays.fill(dst, -7);
        shard.copy(194, 13, dst, 3);
        assertThat(Arrays.copyOfRange(dst, 3, 16)).isEqualTo(Arrays.copyOfRange(ids, 194, 207));
        assertThat(dst[2]).isEqualTo(-7);
        assertThat(dst[16]).isEqualTo(-7);
        assertThatThrownBy(() -> shard.copy(195, 13, dst, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> shard.copy(-1, 1, dst, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> shard.copy(0, 13, dst, 8)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void laysIdsOutAsLittleEndianUint16() throws IOException {
        byte[] bytes = write(new BpeTokenizer(), new int[] {0x0102, 50256});
        assertThat(Arrays.copyOfRange(bytes, 64, 68)).containsExactly(0x02, 0x01, 0x50, 0xC4);
        assertThat(new String(bytes, 0, 8, StandardCharsets.US_ASCII)).isEqualTo("KNDLSHRD");
        assertThat(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(16))
                .isEqualTo(2);
    }

    @Test
    void findsEveryAlteredByte() throws IOException {
        byte[] good = write(SMALL, ids(SMALL, 13));
        for (int at = 0; at < good.length; at++) {
            for (int bit = 0; bit < 8; bit++) {
                byte[] bad = good.clone();
                bad[at] ^= (byte) (1 << bit);
                assertThatThrownBy(() -> read(bad))
                        .as("bit %d of byte %d", bit, at)
                        .isInstanceOf(DataException.class)
                        .hasMessageMatching("x\\.bin (was altered|is not a shard).*; restore it or run prepare again");
            }
        }
    }

    @Test
    void findsEveryTruncationAndEveryAddition() throws IOException {
        byte[] good = write(SMALL, ids(SMALL, 13));
        for (int length = 0; length < good.length; length++) {
            byte[] bad = Arrays.copyOf(good, length);
            assertThatThrownBy(() -> read(bad))
                    .isInstanceOf(DataException.class)
                    .hasMessageStartingWith("x.bin is truncated:");
        }
        assertThatThrownBy(() -> read(Arrays.copyOf(good, good.length + 1)))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("it goes on after the 26 bytes of ids");
    }

    @Test
    void refusesAnotherVersion() throws IOException {
        byte[] bytes = write(SMALL, ids(SMALL, 13));
        ByteBuffer header =
                ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(8, 2);
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, 60);
        header.putInt(60, (int) crc.getValue());
        assertThatThrownBy(() -> read(bytes))
                .isInstanceOf(DataException.class)
                .hasMessageStartingWith(
                        "x.bin is a shard of version 2, where this Kindling reads version 1; run prepare");
    }

    @Test
    void refusesAnotherVocabulary() throws IOException {
        Shard shard = read(write(SMALL, ids(SMALL, 13)));
        assertThatThrownBy(() -> shard.requireVocabulary(CharTokenizer.of("abcdefghijklx".codePoints())))
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
    void mapsFilesLargerThanOneSegment() throws IOException {
        int boundary = 1 << 25; // tokens of 4 bytes in the 128 MiB that are mapped at once
        ByteBuffer tail = ByteBuffer.allocate(20).order(ByteOrder.LITTLE_ENDIAN);
        for (int id = 1; id <= 5; id++) {
            tail.putInt(id);
        }
        CRC32C crc = new CRC32C();
        crc.update(new byte[4 * (boundary - 2)]);
        crc.update(tail.flip());
        Path file = folder.resolve("large.bin");
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.write(
                    ShardHeader.of(LARGE, boundary + 3, (int) crc.getValue()).encode());
            sparse.seek(ShardHeader.BYTES + 4L * (boundary - 2));
            sparse.write(tail.array());
        }
        Shard shard = Shard.open(file);
        assertThat(shard.length()).isEqualTo(boundary + 3);
        int[] dst = new int[6];
        shard.copy(boundary - 3, 6, dst, 0);
        assertThat(dst).containsExactly(0, 1, 2, 3, 4, 5);
    }

    @Test
    void saysWhichFileIsMissing() {
        assertThatThrownBy(() -> Shard.open(folder.resolve("gone.bin")))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("gone.bin")
                .hasMessageContaining("NoSuchFileException");
    }

    static int[] all(TokenSequence tokens) {
        int[] ids = new int[(int) tokens.length()];
        tokens.copy(0, ids.length, ids, 0);
        return ids;
    }

    private static Shard read(byte[] bytes) {
        return Shard.read(new ByteArrayInputStream(bytes), "x.bin");
    }

    private static byte[] write(Tokenizer tokenizer, int[] ids) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int[] padded = new int[ids.length + 5];
        System.arraycopy(ids, 0, padded, 3, ids.length);
        ShardWriter writer = new ShardWriter(tokenizer);
        writer.add(new int[] {0, 1}, 0, 2);
        writer.clear();
        writer.add(padded, 3, ids.length);
        writer.write(out);
        return out.toByteArray();
    }

    private static int[] ids(Tokenizer tokenizer, int length) {
        return new Random(length).ints(length, 0, tokenizer.vocabSize()).toArray();
    }
}
