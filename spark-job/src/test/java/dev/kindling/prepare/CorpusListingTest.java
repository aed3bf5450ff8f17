package dev.kindling.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CorpusListingTest {
    private static final Configuration HADOOP = new Configuration();

    @TempDir
    private Path folder;

    private void write(String name, String text) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    @Test
    void documentsAreAllFilesBelowAFolderInTheOrderOfTheirNamesButForMarkers() throws IOException {
        for (String name : new String[] {
            "b.txt", "a/2 two.txt", "a/deep/er/1.txt", "_SUCCESS", ".hidden/x.txt", "a/_temporary/x.txt", "a/.x.crc"
        }) {
            write(name, name);
        }
        assertThat(CorpusListing.of(folder.toString(), HADOOP))
                .extracting(document ->
                        document.read(HADOOP).id() + "=" + document.read(HADOOP).text())
                .containsExactly("a/2 two.txt=a/2 two.txt", "a/deep/er/1.txt=a/deep/er/1.txt", "b.txt=b.txt");
    }

    @Test
    void aFileIsACorpusAndNothingIsNone() throws IOException {
        write("one.txt", "to be");
        assertThat(CorpusListing.of(folder.resolve("one.txt").toString(), HADOOP))
                .extracting(document -> document.read(HADOOP).text())
                .containsExactly("to be");
        assertThatThrownBy(() -> CorpusListing.of(folder + "/none", HADOOP))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("does not exist");
    }
}
