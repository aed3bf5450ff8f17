package dev.kindling.data.shard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class TokenBinTest {
    private static TokenSequence sequence(int... ids) {
        return new TokenSequence() {
            @Override
            public long length() {
                return ids.length;
            }

            @Override
            public void copy(long offset, int length, int[] dst, int dstOffset) {
                System.arraycopy(ids, (int) offset, dst, dstOffset, length);
            }
        };
    }

    private static TokenBin read(byte[] bytes) throws IOException {
        return TokenBin.of(new ByteArrayInputStream(bytes), bytes.length, "x.bin");
    }

    private static byte[] llmC(int magic, int version, int count, int ids) {
        ByteBuffer bytes = ByteBuffer.allocate(1024 + 2 * ids).order(ByteOrder.LITTLE_ENDIAN);
        return bytes.putInt(magic).putInt(version).putInt(count).array();
    }

    @Test
    void nanoGptsFilesAreIdsAlone() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        TokenBin.write(sequence(1, 65_535, 256), out);
        assertThat(out.toByteArray()).containsExactly(1, 0, 0xff, 0xff, 0, 1);
        assertThat(read(out.toByteArray())).isEqualTo(new TokenBin(0, 3));
        assertThat(read(new byte[2])).isEqualTo(new TokenBin(0, 1));
        assertThatThrownBy(() -> read(new byte[3]))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("x.bin holds 3 bytes, which is no sequence of uint16 ids");
    }

    @Test
    void llmCsFilesHaveAHeader() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        TokenBin.writeLlmC(sequence(9, 15_496, 995, 50_256, 9), 1, 3, out);
        byte[] file = out.toByteArray();
        assertThat(file).hasSize(1030).startsWith(llmC(20_240_520, 1, 3, 0));
        assertThat(ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getShort(1028))
                .isEqualTo((short) 50_256);
        assertThat(read(file)).isEqualTo(new TokenBin(1024, 3));
        for (byte[] bad : new byte[][] {
            Arrays.copyOf(file, 1028), Arrays.copyOf(file, 1032), Arrays.copyOf(file, 900), llmC(20_240_520, 1, -1, 0)
        }) {
            assertThatThrownBy(() -> read(bad))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("x.bin was truncated or altered: its header promises ");
        }
        assertThatThrownBy(() -> read(llmC(20_240_520, 2, 1, 1))).hasMessageContaining("llm.c file of version 2");
        assertThatThrownBy(() -> read(llmC(20_240_801, 7, 1, 1))).hasMessageContaining("Llama-3");
    }

    @Test
    void kindlingsOwnShardsAreNoFilesOfIdsAlone() {
        assertThatThrownBy(() -> read("KNDLSHRD....".getBytes(StandardCharsets.US_ASCII)))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("x.bin is a shard of Kindling's, whose folder has lost its manifest.json");
    }

    @Test
    void idsOf17BitsAreRefused() {
        TokenBin.requireUint16(65_536);
        assertThatThrownBy(() -> TokenBin.requireUint16(65_537))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("65,537 ids");
    }

    @Test
    void documentsMayBeginWithTheEndOfText() {
        int end = 7;
        assertThat(ShardTest.all(new BegunDocuments(sequence(1, 2, end, 3, end), end)))
                .containsExactly(end, 1, 2, end, 3);
        TokenSequence open = new BegunDocuments(sequence(1, end, 3), end);
        assertThat(ShardTest.all(open)).containsExactly(end, 1, end, 3);
        int[] two = new int[3];
        open.copy(2, 2, two, 1);
        assertThat(two).containsExactly(0, end, 3);
        assertThatThrownBy(() -> open.copy(3, 2, two, 0)).isInstanceOf(IndexOutOfBoundsException.class);
    }
}
