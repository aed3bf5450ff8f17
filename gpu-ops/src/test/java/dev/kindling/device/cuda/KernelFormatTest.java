package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** The kernels are formatted by the .clang-format of the project, and no file of them is long. */
class KernelFormatTest {
    /** The version whose output is held; later ones differ in details. */
    private static final String VERSION = "version 14.";

    private static final int MOST_LINES = 300;

    @Test
    void everyFileIsFormatted() throws Exception {
        String version = output(List.of("clang-format", "--version"));
        assumeTrue(
                version.contains(VERSION),
                "SKIPPED: no clang-format 14 on the PATH (Debian: apt-get install clang-format-14), but: " + version);
        List<String> command = new ArrayList<>(List.of("clang-format", "--dry-run", "-Werror"));
        KernelFiles.sources().forEach(file -> command.add(file.toString()));
        assertThat(output(command)).as("run clang-format -i on these files").isEmpty();
    }

    @Test
    void noFileIsLong() {
        for (Path file : KernelFiles.sources()) {
            assertThat(KernelFiles.read(file).lines().count()).as("%s", file).isLessThanOrEqualTo(MOST_LINES);
        }
    }

    /** What a command prints, or why it does not run. */
    private static String output(List<String> command) throws InterruptedException {
        try {
            Process process =
                    new ProcessBuilder(command).redirectErrorStream(true).start();
            String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).as("%s", command).isTrue();
            return printed;
        } catch (IOException e) {
            return e.getMessage();
        }
    }
}
