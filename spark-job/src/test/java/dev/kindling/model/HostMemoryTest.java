package dev.kindling.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.model.HostMemory.Bound;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostMemoryTest {
    private static final long MIB = 1 << 20;

    @TempDir
    private Path root;

    private void file(String path, String... lines) throws IOException {
        Path file = root.resolve(path);
        Files.createDirectories(file.getParent());
        Files.write(file, java.util.List.of(lines));
    }

    private HostMemory memory() {
        return new HostMemory(root.resolve("proc"), root.resolve("cgroup"));
    }

    @BeforeEach
    void aHostWithEightGigabytesAvailable() throws IOException {
        file("proc/meminfo", "MemTotal:       16777216 kB", "MemAvailable:    8388608 kB", "Buffers: 1 kB");
    }

    @Test
    void withoutGroupsItIsWhatTheHostHasAvailable() {
        assertThat(memory().bound()).hasValue(new Bound("host", 16384 * MIB, 8192 * MIB));
    }

    @Test
    void ofVersion2TheTightestLimitAboveCountsWithoutThePagesOfFiles() throws IOException {
        file("proc/self/cgroup", "0::/pods/one");
        file("cgroup/pods/one/memory.max", "max");
        file("cgroup/pods/one/memory.current", "" + 900 * MIB);
        file("cgroup/pods/memory.max", "" + 2048 * MIB);
        file("cgroup/pods/memory.current", "" + 1000 * MIB);
        file("cgroup/pods/memory.stat", "anon 1", "inactive_file " + 300 * MIB);
        assertThat(memory().bound()).hasValue(new Bound("container (memory.max)", 2048 * MIB, 1348 * MIB));
        assertThat(memory().limit()).isEqualTo(memory().bound());
    }

    @Test
    void ofVersion1AContainerSeesItsGroupAsTheRoot() throws IOException {
        file("proc/self/cgroup", "9:name=systemd:/", "4:memory:/docker/0d14", "0::/");
        file("cgroup/memory/memory.limit_in_bytes", "" + 4096 * MIB);
        file("cgroup/memory/memory.usage_in_bytes", "" + 4000 * MIB);
        file("cgroup/memory/memory.stat", "inactive_file 1", "total_inactive_file " + 500 * MIB);
        assertThat(memory().bound()).hasValue(new Bound("container (memory.limit_in_bytes)", 4096 * MIB, 596 * MIB));
        file("cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
        assertThat(memory().bound()).hasValue(new Bound("host", 16384 * MIB, 8192 * MIB));
    }

    @Test
    void whereTheSystemDoesNotSayNothingIsKnown() throws IOException {
        Files.delete(root.resolve("proc/meminfo"));
        assertThat(memory().bound()).isEmpty();
        assertThat(new HostRoom(memory(), 1).whyNot(Long.MAX_VALUE)).isEmpty();
    }

    @Test
    void theRanksOfAHostShareItAndAFifthStaysFree() {
        HostRoom room = new HostRoom(memory(), 4);
        assertThat(room.whyNot(1638 * MIB)).isEmpty();
        assertThat(room.whyNot(1639 * MIB))
                .hasValue(
                        "it takes 1,639 MiB outside of the heap, and the host has 2,048 of its 16,384 MiB left for each of its 4 ranks, of which a fifth stays free");
    }
}
