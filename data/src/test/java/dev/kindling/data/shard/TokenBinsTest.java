package dev.kindling.data.shard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.data.token.CharTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenBinsTest {
    @TempDir
    Path folder;

    @Test
    void opensWhatNanoGptPrepared() throws IOException {
        Files.write(folder.resolve("train.bin"), new byte[] {2, 0, 1, 0, 0, 0});
        Files.write(folder.resolve("val.bin"), new byte[] {1, 0});
        ShardSet set = TokenBins.open(folder, CharTokenizer.of("abc".codePoints()));
        assertThat(ShardTest.all(set.tokens("train"))).containsExactly(2, 1, 0);
        assertThat(ShardTest.all(set.tokens("val"))).containsExactly(1);
        assertThat(set.documents("train").count()).isEqualTo(1);
        assertThatThrownBy(() -> TokenBins.open(folder, CharTokenizer.of("ab".codePoints())))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("id 2 at position 0");
    }

    @Test
    void opensWhatLlmCPreparedInSeveralFiles() throws IOException {
        int end = BpeTokenizer.END_OF_TEXT;
        Files.write(folder.resolve("tiny_train_000002.bin"), ShardTest.llmC(20240520, 1, 4, end, 5));
        Files.write(folder.resolve("tiny_train_000001.bin"), ShardTest.llmC(20240520, 1, end, 1, 2, end, 3));
        Files.write(folder.resolve("tiny_val_000000.bin"), ShardTest.llmC(20240520, 1, end, 9));
        ShardSet set = TokenBins.open(folder, new BpeTokenizer());
        assertThat(ShardTest.all(set.tokens("train"))).containsExactly(end, 1, 2, end, 3, 4, end, 5);
        DocumentIndex documents = set.documents("train");
        assertThat(documents.count()).isEqualTo(3);
        assertThat(documents.start(1)).isEqualTo(3);
        assertThat(documents.end(2)).isEqualTo(8);
    }

    @Test
    void findsDocumentsThatEndWithEndOfText() throws IOException {
        byte low = (byte) (BpeTokenizer.END_OF_TEXT & 0xFF);
        byte high = (byte) (BpeTokenizer.END_OF_TEXT >> 8);
        Files.write(folder.resolve("train.bin"), new byte[] {1, 0, low, high, 2, 0, 3, 0, low, high});
        Files.write(folder.resolve("val.bin"), new byte[] {1, 0});
        DocumentIndex documents = TokenBins.open(folder, new BpeTokenizer()).documents("train");
        assertThat(documents.count()).isEqualTo(2);
        assertThat(documents.start(1)).isEqualTo(2);
        assertThat(documents.end(1)).isEqualTo(5);
    }

    @Test
    void refusesAFolderWithoutASplit() throws IOException {
        Files.write(folder.resolve("train.bin"), new byte[] {1, 0});
        assertThatThrownBy(() -> TokenBins.open(folder, CharTokenizer.of("abc".codePoints())))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("no .bin file with 'val' in its name");
        assertThatThrownBy(() -> TokenBins.open(folder.resolve("gone"), CharTokenizer.of("abc".codePoints())))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("cannot list");
    }
}
