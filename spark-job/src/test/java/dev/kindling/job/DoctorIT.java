package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.job.CommandRuns.Printed;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The doctor on two real executors. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
class DoctorIT {
    @TempDir
    private static Path folder;

    private CommandRuns runs;

    @BeforeAll
    void start() {
        runs = new CommandRuns("10s");
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    @Test
    void aHealthyClusterIsShownToBe() throws Exception {
        Path out = Files.createDirectory(folder.resolve("runs"));
        Printed printed = runs.run("doctor", "--executors", "2", "--device", "cpu", "--out", out.toString());
        assertThat(printed.code()).as(printed.out() + printed.err()).isZero();
        assertThat(printed.out())
                .contains("2 ranks started", "sees what rank 0 wrote", "MiB free")
                .contains("rank 0 -> rank 0", "rank 0 -> rank 1", "rank 1 -> rank 0", "rank 1 -> rank 1")
                .doesNotContain("FAIL");
        try (Stream<Path> left = Files.list(out)) {
            assertThat(left).isEmpty();
        }
    }

    @Test
    void whatFailsIsNamedWithItsFix() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "not a directory");
        Printed printed = runs.run("doctor", "--executors", "2", "--device", "cuda", "--out", file.toString());
        assertThat(printed.code()).isEqualTo(1);
        assertThat(printed.err()).hasLineCount(1).contains("checks failed");
        assertThat(printed.out())
                .contains("Spark gave this task no GPU", "fix: give --out a directory", "rank 0 -> rank 1");
    }

    @Test
    void tooFewSlotsAreAFindingToo() {
        Printed printed = runs.run("doctor", "--executors", "3", "--device", "cpu", "--out", folder.toString());
        assertThat(printed.code()).isEqualTo(1);
        assertThat(printed.out()).contains("offers 2 of the 3 slots");
    }
}
