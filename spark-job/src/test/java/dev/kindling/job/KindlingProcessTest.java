package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.config.ConfigKey;
import java.io.File;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The command line in a JVM of its own, which differs from the tests'. */
class KindlingProcessTest {
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @Test
    void helpNeedsNoSpark() throws Exception {
        List<String> classPath = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(entry -> !entry.replace('\\', '/').contains("/org/apache/spark/"))
                .toList();
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        Kindling kindling =
                new Kindling(Kindling.jobs(), Clock.systemUTC(), new PrintWriter(out), new PrintWriter(err));
        for (String command : kindling.commands().keySet()) {
            Process help = new ProcessBuilder(
                            java,
                            "-cp",
                            String.join(File.pathSeparator, classPath),
                            Kindling.class.getName(),
                            command,
                            "--help")
                    .redirectErrorStream(true)
                    .start();
            String printed = new String(help.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(help.waitFor()).as(printed).isZero();
            assertThat(printed).startsWith("Usage: kindling " + command);
        }
    }

    @Test
    void keysNeedTheJarAlone() throws Exception {
        String jar = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(entry -> !entry.replace('\\', '/').matches(".*/(org/apache|com/fasterxml|org/yaml)/.*"))
                .collect(Collectors.joining(File.pathSeparator));
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        Process process = new ProcessBuilder(java, "-cp", jar, Kindling.class.getName(), "train", "--keys")
                .redirectErrorStream(true)
                .start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(printed).isZero();
        assertThat(printed).isEqualTo(ConfigKey.table());
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
