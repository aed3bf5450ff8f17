package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.storage.NameEncoding;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.spark.SparkUserAppException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** What {@code main} tells those who call it: spark-submit, YARN's application master, the shell. */
@Timeout(120)
class ProcessEndTest {
    private static final String SUBMITTED = "-Dspark.submit.deployMode=client";

    @TempDir
    private Path folder;

    /** A program that leaves a thread behind. */
    static final class WithAThreadLeft {
        public static void main(String[] args) throws Exception {
            new Thread(() -> {
                        try {
                            TimeUnit.MINUTES.sleep(10);
                        } catch (InterruptedException e) {
                            Thread.currentThread().interrupt();
                        }
                    })
                    .start();
            Kindling.main(args);
        }
    }

    private Process start(Class<?> program, List<String> properties, String... arguments) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-XX:TieredStopAtLevel=1");
        command.addAll(properties);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), program.getName()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("LC_ALL", "C.UTF-8");
        Path out = Files.createTempFile(folder, "main", ".out");
        return builder.redirectErrorStream(true).redirectOutput(out.toFile()).start();
    }

    @Test
    void aThreadThatIsLeftDoesNotKeepTheProcessAlive() throws Exception {
        Process well = start(WithAThreadLeft.class, List.of(SUBMITTED), "--help");
        Process badly = start(WithAThreadLeft.class, List.of(SUBMITTED), "trian");
        Process plain = start(WithAThreadLeft.class, List.of(), "trian");
        assertThat(well.waitFor()).isZero();
        assertThat(badly.waitFor()).isEqualTo(2);
        assertThat(plain.waitFor()).isEqualTo(2);
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void whatCouldNotBePrintedIsAFailure() throws Exception {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Kindling.class.getName(),
                        "plan",
                        "--device=cpu",
                        "--config=shakespeare-char-cpu")
                .redirectOutput(Path.of("/dev/full").toFile())
                .start();
        assertThat(new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8))
                .contains("kindling: standard output could not be written");
        assertThat(process.waitFor()).isEqualTo(1);
    }

    @Test
    void mainReturnsOrThrowsWhereSparkHasCalledIt() throws Exception {
        String former = System.setProperty("spark.submit.deployMode", "cluster");
        List<Throwable> thrown = new ArrayList<>();
        try {
            Thread driver = new Thread(
                    () -> {
                        try {
                            Kindling.main(new String[] {"--help"});
                            Kindling.main(new String[] {"trian"});
                        } catch (Exception e) {
                            thrown.add(e);
                        }
                    },
                    "Driver");
            driver.start();
            driver.join();
        } finally {
            if (former == null) {
                System.clearProperty("spark.submit.deployMode");
            } else {
                System.setProperty("spark.submit.deployMode", former);
            }
        }
        assertThat(thrown).hasSize(1);
        assertThat(thrown.get(0))
                .isInstanceOfSatisfying(
                        SparkUserAppException.class,
                        exception -> assertThat(exception.exitCode()).isEqualTo(2));
    }

    /** The locale of containers: what is not ASCII is lost before any code of ours runs. */
    @Test
    void aJvmThatLosesCharactersIsRefused() throws Exception {
        assertThat(NameEncoding.whyNot("UTF-8")).isEmpty();
        assertThat(NameEncoding.whyNot("ANSI_X3.4-1968").orElseThrow()).contains("ANSI_X3.4-1968", "LC_ALL=C.UTF-8");
        ProcessBuilder plain = new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Kindling.class.getName(),
                "generate",
                "--checkpoint",
                "nowhere",
                "--prompt",
                "Gr\u00f6\u00dfe");
        plain.environment().put("LC_ALL", "C");
        Process refused = plain.redirectErrorStream(true).start();
        assertThat(new String(refused.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                .startsWith("kindling: arguments and file names reach this JVM in ")
                .hasLineCount(1);
        assertThat(refused.waitFor()).isEqualTo(2);
    }
}
