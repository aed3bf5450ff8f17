package dev.kindling.device.unpack;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PrivateFolderTest {
    @TempDir
    private Path shared;

    @Test
    void itIsMadeForThisUserAloneAndUsedAgain() throws Exception {
        Path folder = PrivateFolder.in(shared, "kindling");
        assertThat(folder).isEqualTo(shared.resolve("kindling"));
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(folder)))
                .isEqualTo("rwx------");
        assertThat(PrivateFolder.in(shared, "kindling")).isEqualTo(folder);
        assertThat(shared.toFile().list()).containsExactly("kindling");
    }

    @Test
    void oneOfAnotherUserIsNotTrusted() throws Exception {
        Path folder = PrivateFolder.in(shared, "kindling");
        UserPrincipal self = PrivateFolder.self(shared);
        assertThat(PrivateFolder.belongsTo(folder, self)).isTrue();
        UserPrincipal other = () -> "somebody else";
        assertThat(PrivateFolder.belongsTo(folder, other)).isFalse();
    }

    @Test
    void oneThatIsOpenToOthersOrALinkIsNotTrusted() throws Exception {
        Path open = PrivateFolder.in(shared, "open");
        Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxr-x---"));
        assertPrivateAndElsewhere(open);
        Path link = Files.createSymbolicLink(shared.resolve("link"), PrivateFolder.in(shared, "target"));
        assertPrivateAndElsewhere(link);
        assertPrivateAndElsewhere(Files.createFile(shared.resolve("file")));
    }

    private void assertPrivateAndElsewhere(Path planted) throws Exception {
        Path folder = PrivateFolder.in(shared, planted.getFileName().toString());
        assertThat(folder).isNotEqualTo(planted);
        assertThat(PrivateFolder.belongsTo(folder, PrivateFolder.self(shared))).isTrue();
    }
}
