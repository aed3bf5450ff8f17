package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kindling.config.ConfigKey;
import dev.kindling.coordinate.EmbeddedCluster;
import dev.kindling.input.CaseInputs;
import dev.kindling.job.CommandRuns.Printed;
import dev.kindling.submit.SparkProcesses;
import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Processes as users start them: {@code submit.sh} by a link, in a container's locale, with settings of their shell, from a
 * folder that holds the script, conf and the application jar, beside a Spark home; and the jar alone.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class LauncherIT {
    private static final int KEPT_LOGS = 5;

    @TempDir
    private static Path folder;

    private Path target;
    private Path corpus;

    private record Ended(int code, String out, String err) {}

    @BeforeAll
    void install() throws IOException {
        Path application = folder.resolve("application");
        target = Files.createDirectories(application.resolve("spark-job/target"));
        Files.copy(Path.of("..", "submit.sh"), application.resolve("submit.sh"));
        Path conf = Files.createDirectories(application.resolve("conf"));
        for (String file : List.of("log4j2.properties", "spark-defaults.conf")) {
            Files.copy(Path.of("..", "conf", file), conf.resolve(file));
        }
        Files.createSymbolicLink(target.resolve("kindling.jar"), Path.of(System.getProperty("kindling.jar")));
        Files.createSymbolicLink(folder.resolve("kindling"), application.resolve("submit.sh"));
        EmbeddedCluster.linkJars(folder.resolve("home/jars"), SparkProcesses.sparkJars());
        CaseInputs.write(folder.resolve("cases"));
        corpus = Files.writeString(
                folder.resolve("corpus.txt"),
                Files.readString(folder.resolve("cases/small.txt")) + CaseInputs.LETTERS.repeat(200));
    }

    /** Runs the link to submit.sh in {@link #folder}, in the locale {@code LC_ALL}. */
    private Ended submit(String locale, List<String> before, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(before);
        command.add("./kindling");
        command.addAll(List.of(arguments));
        Path out = Files.createTempFile(folder, "submit", ".out");
        Path err = Files.createTempFile(folder, "submit", ".err");
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        builder.environment().put("LC_ALL", locale);
        builder.environment().put("CDPATH", "/:" + folder);
        builder.environment().put("SPARK_HOME", "home");
        builder.environment().put("SPARK_SUBMIT_OPTS", "-Xlog:class+load:file=" + loadedClasses());
        Process process = builder.start();
        if (!process.waitFor(120, TimeUnit.SECONDS)) {
            process.destroy();
        }
        return new Ended(
                process.waitFor(),
                Files.readString(out, StandardCharsets.UTF_8),
                Files.readString(err, StandardCharsets.UTF_8).replaceAll("WARNING: Using incubator modules.*\n", ""));
    }

    /** Where the last driver has got each of its classes. */
    private static Path loadedClasses() {
        return folder.resolve("loaded.log");
    }

    private Ended submit(String locale, String... arguments) throws Exception {
        return submit(locale, List.of(), arguments);
    }

    private static boolean hasLocale(String name) throws Exception {
        Process all = new ProcessBuilder("locale", "-a").start();
        String names = new String(all.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return names.lines().anyMatch(one -> one.replace("utf8", "UTF-8").equals(name));
    }

    private String[] training(String data, String out) {
        return CommandRuns.trainArguments(
                Path.of(out), data, "--set", "train.max_steps=4", "--set", "train.eval_interval=4", "-v");
    }

    @ParameterizedTest
    @ValueSource(strings = {"C", "C.UTF-8", "de_DE.UTF-8", "ar_EG.UTF-8"})
    void anyLocaleKeepsNamesPromptsAndNumbers(String locale) throws Exception {
        assumeTrue(locale.equals("C") || hasLocale(locale), locale + " is not on this host");
        String run = "gr\u00f6\u00dfe_" + locale + "_12:30:05";
        Ended trained = submit(locale, training(corpus.toString(), run));
        assertThat(trained.code()).as(trained.toString()).isZero();
        assertThat(trained.out()).contains("file:" + folder + "/" + run);
        assertThat(trained.out())
                .containsPattern(
                        "first step [0-9.]+ s after submit: launcher [0-9.]+, driver's JVM [0-9.]+, "
                                + "configuration [0-9.]+, Spark [0-9.]+, tokens [0-9.]+, executors [0-9.]+, "
                                + "device [0-9.]+, peers [0-9.]+, shards [0-9.]+, model [0-9.]+, weights [0-9.]+, first step [0-9.]+\\R");
        assertThat(folder.resolve(run).resolve("summary.json")).exists();
        CommandRuns.awaitFile(target, "classes-.*\\.jsa"); // made in the background
        Ended written =
                submit(locale, "generate", "--checkpoint", run, "--prompt", CaseInputs.LETTERS, "--max-tokens", "3");
        assertThat(written.code()).as(written.toString()).isZero();
        assertThat(written.out()).startsWith(CaseInputs.LETTERS);
        assertThat(Files.readString(loadedClasses()))
                .contains("org.apache.spark.deploy.SparkSubmit source: shared objects file");
        assertThat(Files.readString(folder.resolve(run).resolve("kindling.log")))
                .containsPattern("Launch command.*-XX:(SharedArchiveFile|DumpLoadedClassList)=");
        assertThat(trained.out() + trained.err() + written.err()).doesNotContainPattern("[\u0660-\u0669\u066b]");
    }

    @Test
    void allFilesOfAFolderAreReadInAContainersLocale() throws Exception {
        Ended prepared =
                submit("C", "prepare", "--corpus", "cases/names", "--tokenizer", "char", "--out", "shards\u00fc");
        assertThat(prepared.code()).as(prepared.toString()).isZero();
        long characters = 0;
        try (Stream<Path> texts = Files.list(folder.resolve("cases/names"))) {
            for (Path text : texts.toList()) {
                characters += Files.readString(text).length();
            }
        }
        assertThat(prepared.out().replace(",", ""))
                .contains("%d training and %d validation tokens"
                        .formatted(characters - characters / 10, characters / 10));
        assertThat(folder.resolve("shards\u00fc/manifest.json")).exists();
    }

    @Test
    void whatFollowsAnOptionIsItsValue() throws Exception {
        Ended refused = submit("C.UTF-8", "generate", "--checkpoint", "nowhere", "--prompt", "--conf");
        assertThat(refused.err()).contains("nowhere does not exist").hasLineCount(1);
        assertThat(refused.code()).isEqualTo(2);
        Ended ofSpark = submit(
                "C.UTF-8",
                "--executor-cores=2",
                "--driver-java-options",
                "-Dkindling.x=-y",
                "--queue=q",
                "--supervise",
                "generate",
                "--checkpoint",
                "nowhere",
                "--prompt",
                "--queue=r");
        assertThat(ofSpark).isEqualTo(refused);
    }

    @Test
    void aFailureIsOneLineAndKeepsTheLogsOfTheLastFew() throws Exception {
        for (int i = 0; i < KEPT_LOGS + 2; i++) {
            Files.createDirectories(target.resolve("run.old" + i + ".logs/app-0"));
        }
        Ended failed = submit("C", "prepare", "--corpus", "cases/binary", "--tokenizer", "char", "--out", "never");
        assertThat(failed.code()).isEqualTo(1);
        assertThat(failed.err())
                .matches("kindling: b\\.txt of corpus cases/binary looks binary.*\\R"
                        + "kindling: the executors' logs are in .*/run\\.\\w+\\.logs\\R");
        Path logs = Path.of(failed.err().replaceAll("(?s).*logs are in (.*)\\R", "$1"));
        StringBuilder said = new StringBuilder();
        try (Stream<Path> files = Files.walk(logs)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                assertThat(file.getFileName().toString()).isIn("stdout", "stderr");
                said.append(Files.readString(file));
            }
        }
        assertThat(said.toString().split("Exception in task", -1)).hasSize(2); // once
        try (Stream<Path> left = Files.list(target)) {
            assertThat(left.filter(path -> path.getFileName().toString().startsWith("run.")))
                    .hasSize(KEPT_LOGS)
                    .contains(logs);
        }
        assertThat(folder.resolve("never")).doesNotExist();
    }

    @Test
    void aUserWithoutANameIsToldSo() throws Exception {
        assumeTrue(
                "root".equals(System.getProperty("user.name")) && Files.exists(Path.of("/usr/bin/setpriv")),
                "only root can become another user");
        Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
        Ended refused = submit(
                "C",
                List.of("setpriv", "--reuid=12345", "--clear-groups"),
                "generate",
                "--checkpoint",
                "run",
                "--prompt",
                "x");
        assertThat(refused.err())
                .contains("user id 12345 has no name on this host")
                .hasLineCount(1);
        assertThat(refused.code()).isEqualTo(1);
    }

    @Test
    void helpNeedsNoSpark() throws Exception {
        List<String> classPath = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(entry -> !entry.replace('\\', '/').contains("/org/apache/spark/"))
                .toList();
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        Kindling kindling = new Kindling(
                Kindling.jobs(),
                Clock.systemUTC(),
                new PrintWriter(Writer.nullWriter()),
                new PrintWriter(Writer.nullWriter()));
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

    /** As {@link ProcessEndTest} shows of drivers. */
    @Test
    void executorsThatLoseCharactersAreRefused() throws Exception {
        Path empty = Files.createDirectory(folder.resolve("encoding"));
        Path corpus = CommandRuns.writeCorpus(empty.resolve("corpus.txt"));
        Path out = empty.resolve("out");
        try (CommandRuns runs = new CommandRuns("20s", 2, Map.of("spark.executorEnv.LC_ALL", "POSIX"))) {
            Printed prepared = runs.run("prepare", "--corpus", "" + corpus, "--tokenizer", "char", "--out", "" + out);
            Printed trained = runs.train(out, "" + corpus);
            for (Printed refused : List.of(prepared, trained)) {
                assertThat(refused.code()).as(refused.toString()).isEqualTo(2);
                assertThat(refused.err())
                        .hasLineCount(1)
                        .contains("reach executor ", " in ANSI_X3.4-1968", "spark.executorEnv.LC_ALL=C.UTF-8");
                assertThat(out).doesNotExist();
            }
            Printed doctor = runs.run("doctor", "--executors", "2", "--device", "cpu", "--out", "" + empty);
            assertThat(doctor.code()).isEqualTo(1);
            assertThat(doctor.out().lines().filter(line -> line.startsWith("encoding")))
                    .hasSize(2)
                    .allMatch(line -> line.contains("FAIL  file names in ANSI_X3.4-1968"));
        }
    }
}
