package dev.kindling.storage;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HadoopShardFolderTest {
    /** Local folders of Spark may be open to all users of a host. */
    @Test
    void theLocalCopyOfAShardIsForThisUserAlone(@TempDir Path folder) throws Exception {
        Path copy = Files.createTempFile(folder, "shard-", ".bin");
        HadoopShardFolder.fill(copy, new ByteArrayInputStream(new byte[] {1, 2, 3}));
        assertThat(copy).hasBinaryContent(new byte[] {1, 2, 3});
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(copy)))
                .isEqualTo("rw-------");
    }
}
