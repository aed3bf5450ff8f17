package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every kernel compiles for sm_80 (fp32 where it has such a form) and sm_90a (bf16), with the structs that Java fills. Needs
 * nvcc, not a GPU.
 */
class KernelCompileTest {
    private static final String HALF_ONLY = "flash_";
    private static final String HOPPER_ONLY = "_hopper";
    private static final String TABLE = "layout_";

    @TempDir
    Path folder;

    /** One compilation. */
    private record Job(String stem, String architecture, String type, List<String> constants) {
        Job(String stem, String architecture, String type) {
            this(stem, architecture, type, List.of());
        }

        Path output(Path folder) {
            return folder.resolve(stem + "." + architecture + "." + type + String.join("", constants) + ".cubin");
        }

        /** The _hopper files are empty for other architectures. */
        boolean empty() {
            return stem.contains(HOPPER_ONLY) && !architecture.equals("sm_90a");
        }
    }

    @Test
    void everyKernelCompilesWithTheStructsThatJavaFills() {
        assumeTrue(nvcc() != null, "SKIPPED: no nvcc on the PATH or in CUDA_HOME; kernels are not compiled here");
        List<String> stems = KernelFiles.stems();
        assertThat(stems).hasSizeGreaterThan(5);
        List<Job> jobs = new ArrayList<>();
        for (String stem : stems) {
            // The older architecture with the type that has the most code paths, the newer with the usual one.
            jobs.add(new Job(stem, "sm_80", stem.startsWith(HALF_ONLY) ? "fp16" : "f32"));
            jobs.add(new Job(stem, "sm_90a", "bf16"));
        }
        // Tiles that are padded, and gradients in two blocks.
        jobs.add(new Job("flash_forward", "sm_80", "bf16", List.of("-DHEAD_DIM=80")));
        jobs.add(new Job("flash_backward", "sm_80", "bf16", List.of("-DHEAD_DIM=256")));
        jobs.parallelStream().forEach(this::compile);
    }

    private void compile(Job job) {
        List<String> command = new ArrayList<>(List.of(
                nvcc(),
                "--std=c++17",
                "-cubin",
                "-arch=" + job.architecture(),
                "-DACTIVATION=" + job.type(),
                "-o",
                job.output(folder).toString(),
                KernelFiles.FOLDER.resolve(job.stem() + ".cu").toString()));
        command.addAll(job.constants());
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
            checkStructs(job, new Cubin(job.output(folder)));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    private static void checkStructs(Job job, Cubin cubin) {
        List<StructLayout> structs = job.empty() ? List.of() : KernelStructs.of(job.stem());
        assertThat(cubin.globals().keySet())
                .as("%s", job)
                .filteredOn(name -> name.startsWith(TABLE))
                .containsExactlyInAnyOrderElementsOf(
                        structs.stream().map(StructLayout::table).toList());
        structs.forEach(struct -> struct.check(job.stem(), cubin.globals().get(struct.table())));
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
