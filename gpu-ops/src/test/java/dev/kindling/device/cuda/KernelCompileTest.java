package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every kernel compiles for sm_80 (fp32 where it has such a form) and sm_90a (bf16). Needs nvcc, not a GPU. */
class KernelCompileTest {
    private static final Path KERNELS = Path.of("src/main/resources/kernels");
    private static final String HALF_ONLY = "flash_";

    @TempDir
    Path folder;

    @Test
    void everyKernelCompiles() throws Exception {
        assumeTrue(nvcc() != null, "SKIPPED: no nvcc on the PATH or in CUDA_HOME; kernels are not compiled here");
        List<Path> files;
        try (Stream<Path> listed = Files.list(KERNELS)) {
            files = listed.filter(file -> file.toString().endsWith(".cu"))
                    .sorted()
                    .toList();
        }
        assertThat(files).hasSizeGreaterThan(5);
        List<List<String>> jobs = new ArrayList<>();
        for (Path file : files) {
            String stem = file.getFileName().toString().replace(".cu", "");
            // The older architecture with the type that has the most code paths, the newer with the usual one.
            String wide = stem.startsWith(HALF_ONLY) ? "fp16" : "f32";
            jobs.add(job(file, "sm_80", wide));
            jobs.add(job(file, "sm_90a", "bf16"));
        }
        jobs.parallelStream().forEach(this::compile);
    }

    private List<String> job(Path file, String architecture, String type) {
        String output = folder.resolve(file.getFileName() + type + architecture).toString();
        return List.of(
                nvcc(),
                "--std=c++17",
                "-cubin",
                "-arch=" + architecture,
                "-DACTIVATION=" + type,
                "-o",
                output,
                file.toString());
    }

    private void compile(List<String> command) {
        try {
            Path log = Files.createTempFile(folder, "nvcc", ".log");
            Process process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(log.toFile())
                    .start();
            assertThat(process.waitFor(240, TimeUnit.SECONDS)).as("%s", command).isTrue();
            assertThat(process.exitValue())
                    .as("%s%n%s", command, Files.readString(log))
                    .isZero();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    private static String nvcc() {
        List<String> folders = new ArrayList<>(List.of(System.getenv("PATH").split(":")));
        if (System.getenv("CUDA_HOME") != null) {
            folders.add(System.getenv("CUDA_HOME") + "/bin");
        }
        return folders.stream()
                .map(f -> Path.of(f, "nvcc"))
                .filter(Files::isExecutable)
                .map(Path::toString)
                .findFirst()
                .orElse(null);
    }
}
