package dev.kindling.device.cuda.library;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KernelCacheTest {
    @TempDir
    Path folder;

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] never() {
        throw new AssertionError("compiled although it is cached");
    }

    @Test
    void aSecondLookupDoesNotCompile() {
        assertThat(new KernelCache(folder).get("k", () -> bytes("cubin"))).isEqualTo(bytes("cubin"));
        assertThat(new KernelCache(folder).get("k", KernelCacheTest::never)).isEqualTo(bytes("cubin"));
    }

    @Test
    void aDamagedFileIsCompiledAnew() throws IOException {
        KernelCache cache = new KernelCache(folder);
        cache.get("k", () -> bytes("cubin"));
        Path file = folder.resolve("k.cubin");
        byte[] kept = Files.readAllBytes(file);
        kept[kept.length - 1] ^= 1;
        Files.write(file, kept);
        assertThat(cache.get("k", () -> bytes("again"))).isEqualTo(bytes("again"));
        Files.write(file, new byte[0]);
        assertThat(cache.get("k", () -> bytes("third"))).isEqualTo(bytes("third"));
        assertThat(cache.get("k", KernelCacheTest::never)).isEqualTo(bytes("third"));
    }

    @Test
    void aFolderThatCannotBeWrittenCostsOnlyTime() throws IOException {
        Path blocked = Files.createFile(folder.resolve("file")).resolve("kernels");
        assertThat(new KernelCache(blocked).get("k", () -> bytes("cubin"))).isEqualTo(bytes("cubin"));
    }

    @Test
    void theKeyHoldsEverythingThatMatters() {
        KernelSource source = new KernelSource("a.cu", "text", Map.of("h.cuh", "header"));
        List<String> options = List.of("-DC=1");
        String key = Nvrtc.cacheKey(source, options, "sm_80", "13.0");
        assertThat(Nvrtc.cacheKey(source, options, "sm_80", "13.0"))
                .isEqualTo(key)
                .hasSize(64);
        assertThat(List.of(
                        Nvrtc.cacheKey(
                                new KernelSource("a.cu", "text2", Map.of("h.cuh", "header")), options, "sm_80", "13.0"),
                        Nvrtc.cacheKey(
                                new KernelSource("a.cu", "text", Map.of("h.cuh", "header2")), options, "sm_80", "13.0"),
                        Nvrtc.cacheKey(source, List.of("-DC=2"), "sm_80", "13.0"),
                        Nvrtc.cacheKey(source, options, "sm_90a", "13.0"),
                        Nvrtc.cacheKey(source, options, "sm_80", "12.6")))
                .doesNotHaveDuplicates()
                .doesNotContain(key);
        assertThat(KernelCache.key(List.of("ab", "c"))).isNotEqualTo(KernelCache.key(List.of("a", "bc")));
    }

    @Test
    void theFolderIsChosenFromTheEnvironment() {
        assertThat(KernelCache.standard(Map.of("KINDLING_KERNEL_CACHE", "/x/y")).folder())
                .isEqualTo(Path.of("/x/y"));
        assertThat(KernelCache.standard(Map.of("XDG_CACHE_HOME", folder.toString()))
                        .folder())
                .isEqualTo(folder.resolve("kindling/kernels"));
    }

    @Test
    void belowTheTempFolderItIsInAFolderOfThisUserAlone() throws IOException {
        Map<String, String> nowhere = Map.of("XDG_CACHE_HOME", "relative");
        Path own = folder.resolve("kindling-" + System.getProperty("user.name"));
        assertThat(KernelCache.standard(nowhere, folder).folder()).isEqualTo(own.resolve("kindling/kernels"));
        Files.setPosixFilePermissions(own, PosixFilePermissions.fromString("rwxrwxrwx"));
        assertThat(KernelCache.standard(nowhere, folder).folder())
                .startsWithRaw(folder)
                .doesNotHaveToString(own.resolve("kindling/kernels").toString());
    }

    /** Writes and reads the same keys as its peers; fails on a torn file. */
    public static final class Peer {
        private Peer() {}

        public static void main(String[] arguments) {
            KernelCache cache = new KernelCache(Path.of(arguments[0]));
            for (int i = 0; i < 60; i++) {
                byte[] wanted = content(i % 20);
                Path file = cache.folder().resolve("key" + i % 20 + ".cubin");
                if (i >= 20 && Long.parseLong(arguments[1]) % 2 == 0) {
                    // Half of the peers keep deleting, so that the others keep writing.
                    file.toFile().delete();
                }
                byte[] got = cache.get("key" + i % 20, () -> wanted);
                if (!java.util.Arrays.equals(got, wanted)) {
                    throw new AssertionError("torn file " + file);
                }
            }
        }

        private static byte[] content(int key) {
            byte[] content = new byte[100_000 + key];
            new java.util.Random(key).nextBytes(content);
            return content;
        }
    }

    @Test
    void severalProcessesShareAFolder() throws Exception {
        List<Process> peers = new ArrayList<>();
        Path java = Path.of(System.getProperty("java.home"), "bin", "java");
        for (int i = 0; i < 3; i++) {
            peers.add(new ProcessBuilder(
                            java.toString(),
                            "-cp",
                            System.getProperty("java.class.path"),
                            Peer.class.getName(),
                            folder.toString(),
                            String.valueOf(i))
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve("peer" + i + ".log").toFile())
                    .start());
        }
        for (int i = 0; i < peers.size(); i++) {
            assertThat(peers.get(i).waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(peers.get(i).exitValue())
                    .as(() -> "see the log of a peer in " + folder)
                    .isZero();
            assertThat(Files.readString(folder.resolve("peer" + i + ".log"))).doesNotContain("damaged");
        }
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(Path::toString)).noneMatch(name -> name.endsWith(".tmp"));
        }
    }
}
