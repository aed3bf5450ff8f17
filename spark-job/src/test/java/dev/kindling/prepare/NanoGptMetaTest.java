package dev.kindling.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import dev.kindling.data.token.CharTokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NanoGptMetaTest {
    private static final CharTokenizer CHARACTERS = CharTokenizer.of("\naé😀".codePoints());
    /** Python 3's pickle.dumps of the same, as nanoGPT's prepare.py calls it. */
    private static final String PYTHON =
            "gASVVgAAAAAAAAB9lCiMCnZvY2FiX3NpemWUSwSMBGl0b3OUfZQoSwCMAQqUSwGMAWGUSwKMAsOplEs"
                    + "DjATwn5iAlHWMBHN0b2mUfZQoaARLAGgFSwFoBksCaAdLA3V1Lg==";

    @TempDir
    private Path folder;

    private void write(byte[] bytes) throws IOException {
        Files.write(folder.resolve("meta.pkl"), bytes);
    }

    private CharTokenizer read() throws IOException {
        return (CharTokenizer) NanoGptMeta.read(new org.apache.hadoop.fs.Path(folder.toUri()), new Configuration())
                .orElseThrow();
    }

    @Test
    void whatPythonAndWhatKindlingWritesIsRead() throws IOException {
        write(Base64.getDecoder().decode(PYTHON));
        assertThat(read()).isEqualTo(CHARACTERS);
        write(NanoGptMeta.bytes(CHARACTERS));
        assertThat(read()).isEqualTo(CHARACTERS);
        Files.delete(folder.resolve("meta.pkl"));
        assertThat(NanoGptMeta.read(new org.apache.hadoop.fs.Path(folder.toUri()), new Configuration()))
                .isEmpty();
    }

    @Test
    void otherFilesAreRefusedInOneLine() throws IOException {
        byte[] whole = Base64.getDecoder().decode(PYTHON);
        List<byte[]> others = List.of(
                new byte[0],
                Arrays.copyOf(whole, 40),
                "no pickle".getBytes(StandardCharsets.US_ASCII),
                "N.".getBytes(StandardCharsets.US_ASCII), // None
                "cos\nsystem\n(S'true'\ntR.".getBytes(StandardCharsets.US_ASCII));
        for (byte[] other : others) {
            write(other);
            assertThatThrownBy(this::read)
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("meta.pkl is not nanoGPT's description of characters")
                    .message()
                    .hasLineCount(1);
        }
    }
}
