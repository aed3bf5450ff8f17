package dev.kindling.data.corpus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextCorpusTest {
    @TempDir
    Path folder;

    @Test
    void aFileIsOneDocumentUnchanged() throws IOException {
        Path file = Files.writeString(folder.resolve("a.txt"), "one\r\ntwo \u00e9 \ud83d\ude00\n");
        assertThat(TextCorpus.of(file).documents())
                .containsExactly(new Document("a.txt", "one\r\ntwo \u00e9 \ud83d\ude00\n"));
    }

    @Test
    void aFolderGivesItsFilesInTheOrderOfTheirNames() throws IOException {
        Files.createDirectories(folder.resolve("b/c"));
        Files.createDirectories(folder.resolve("_temporary"));
        Files.writeString(folder.resolve("z.txt"), "3");
        Files.writeString(folder.resolve("b/c/y.txt"), "2");
        Files.writeString(folder.resolve("a.md"), "1");
        Files.writeString(folder.resolve("empty.txt"), "");
        Files.writeString(folder.resolve("_SUCCESS"), "no");
        Files.writeString(folder.resolve("_temporary/part"), "no");
        Files.writeString(folder.resolve(".z.txt.crc"), "no");
        assertThat(TextCorpus.of(folder).documents())
                .containsExactly(new Document("a.md", "1"), new Document("b/c/y.txt", "2"), new Document("z.txt", "3"));
    }

    @Test
    void readsFromAnyStoreThroughSources() {
        TextCorpus corpus = new TextCorpus("hdfs://x/y", List.of(source("b", "\ufeffmarked"), source("a", "plain")));
        assertThat(corpus.documents()).containsExactly(new Document("a", "plain"), new Document("b", "marked"));
        assertThat(corpus.documents()).as("read again").hasSize(2);
    }

    @Test
    void refusesWhatIsMissingOrEmpty() throws IOException {
        Path missing = folder.resolve("missing.txt");
        assertThatThrownBy(() -> TextCorpus.of(missing))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("missing.txt does not exist; set data.corpus to");
        Files.writeString(folder.resolve(".hidden"), "x");
        assertThatThrownBy(() -> TextCorpus.of(folder))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("holds no text files");
        assertThatThrownBy(() -> CorpusSplit.cut(List.of(new Document("a", "")), 0.1))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("a corpus of 0 characters");
    }

    @Test
    void refusesWhatIsNotUtf8WithTheOffset() {
        assertThatThrownBy(() -> read("caf\u00e9 au lait".getBytes(StandardCharsets.ISO_8859_1)))
                .isInstanceOf(DataException.class)
                .hasMessage(
                        "f of corpus c is not UTF-8: invalid byte 0xE9 at offset 3; convert it, for example with iconv -t UTF-8");
        assertThatThrownBy(() -> read(new byte[] {'a', (byte) 0xC3}))
                .hasMessageContaining("invalid byte 0xC3 at offset 1");
        assertThatThrownBy(() -> read(new byte[] {'P', 'K', 3, 4, 0, 9}))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("looks binary: byte 4 is NUL");
    }

    @Test
    void saysWhyASourceCannotBeRead() {
        TextSource broken = new TextSource("part-1", () -> {
            throw new IOException("no such\n block");
        });
        assertThatThrownBy(() ->
                        new TextCorpus("s3://b", List.of(broken)).documents().toList())
                .isInstanceOf(DataException.class)
                .hasMessageContaining("cannot read part-1 of corpus s3://b (IOException: no such block)")
                .hasCauseInstanceOf(IOException.class);
    }

    private static Document read(byte[] bytes) {
        return TextCorpus.read("c", new TextSource("f", () -> new ByteArrayInputStream(bytes)));
    }

    private static TextSource source(String name, String text) {
        return new TextSource(name, () -> new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
    }
}
