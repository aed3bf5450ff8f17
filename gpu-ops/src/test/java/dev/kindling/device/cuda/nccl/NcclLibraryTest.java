package dev.kindling.device.cuda.nccl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.device.cuda.library.LibrarySearch;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NcclLibraryTest {
    @TempDir
    Path root;

    @Test
    void theWheelIsFoundAndAFileThatDoesNotLoadIsNamed() throws Exception {
        Path wheel = root.resolve("usr/local/lib/python3.12/dist-packages/nvidia/nccl/lib/libnccl.so.2");
        Files.createDirectories(wheel.getParent());
        Files.writeString(wheel, "not a library");
        assertThatThrownBy(() -> NcclLibrary.open(new LibrarySearch(Map.of(), root)))
                .isInstanceOf(NcclException.class)
                .hasMessageContaining(wheel + " does not load");
    }

    @Test
    void withoutItTheErrorSaysWhereItLooked() throws Exception {
        Assumptions.assumeTrue(
                NcclLibrary.whyNot().isPresent(), "SKIPPED: the system's loader may find NCCL on this machine");
        Path folder = Files.createDirectories(root.resolve("usr/local/cuda/lib64"));
        assertThatThrownBy(() -> NcclLibrary.open(new LibrarySearch(Map.of(), root)))
                .isInstanceOf(NcclException.class)
                .hasMessageContaining("libnccl.so.2 was found neither")
                .hasMessageContaining(folder.toString())
                .hasMessageContaining("LD_LIBRARY_PATH");
    }

    @Test
    void theUniqueIdIs128BytesByValue() {
        byte[] bytes = new byte[128];
        bytes[127] = 7;
        NcclLibrary.UniqueId id = NcclLibrary.UniqueId.of(bytes);
        id.write();
        assertThat(id.size()).isEqualTo(128);
        assertThat(id.getPointer().getByte(127)).isEqualTo((byte) 7);
        assertThatThrownBy(() -> NcclLibrary.UniqueId.of(new byte[5]))
                .isInstanceOf(NcclException.class)
                .hasMessageContaining("128 bytes, and 5 came");
    }

    @Test
    void aCallThatDoesNotReturnIsLeftInTime() {
        NativeCall stuck = NativeCall.begin("stuck", () -> new Semaphore(0).acquireUninterruptibly());
        assertThat(stuck.endsWithin(Duration.ofMillis(50))).isFalse();
        Thread.currentThread().interrupt();
        assertThat(stuck.endsWithin(Duration.ofMillis(50))).isFalse();
        assertThat(Thread.interrupted()).isTrue();
        assertThatThrownBy(() -> stuck.endsWithin(Duration.ofSeconds(10), () -> {
                    throw new IllegalStateException("fenced");
                }))
                .hasMessage("fenced");
    }
}
