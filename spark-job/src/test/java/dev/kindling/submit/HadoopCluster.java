package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.hdfs.DistributedFileSystem;

/** YARN and HDFS on this host, in a process of their own ({@link HadoopNodes}); drivers are started by plain spark-submit. */
final class HadoopCluster implements AutoCloseable {
    private static final int START_SECONDS = 120;
    private static final int RUN_SECONDS = 180;
    private static final Pattern APPLICATION = Pattern.compile("application_\\d+_\\d+");

    private final Path folder;
    private final Process nodes;
    private final BufferedReader answers;
    private final SparkProcesses processes;
    private final FileSystem files;

    /** @param folder for the files of all nodes, Spark's home and the output of every process */
    HadoopCluster(Path folder) throws Exception {
        this.folder = folder;
        nodes = startNodes(folder);
        answers = new BufferedReader(new InputStreamReader(nodes.getInputStream(), StandardCharsets.UTF_8));
        awaitAnswer("ready");
        Path conf = folder.resolve("conf");
        processes = new SparkProcesses(folder, conf);
        Configuration hadoop = new Configuration(false);
        hadoop.addResource(conf.resolve("core-site.xml").toUri().toURL());
        files = FileSystem.newInstance(hadoop);
    }

    private static Process startNodes(Path folder) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx640m",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "--add-opens=java.base/java.lang=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        HadoopNodes.class.getName(),
                        folder.toString())
                .directory(folder.toFile())
                .redirectError(folder.resolve("nodes.err").toFile());
        builder.environment().put("JAVA_HOME", System.getProperty("java.home")); // of the containers
        return builder.start();
    }

    /** Lets the nodes do what a line of {@link HadoopNodes} says. */
    void tell(String command) throws Exception {
        Writer commands = nodes.outputWriter(StandardCharsets.UTF_8);
        commands.write(command + "\n");
        commands.flush();
        awaitAnswer("done");
    }

    private void awaitAnswer(String expected) throws Exception {
        String answer = CompletableFuture.supplyAsync(() -> {
                    try {
                        return answers.readLine();
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                })
                .get(START_SECONDS, TimeUnit.SECONDS);
        assertThat(answer).as(Files.readString(folder.resolve("nodes.err"))).isEqualTo(expected);
    }

    /** Whoever asks for more than reading and writing. */
    DistributedFileSystem files() {
        return (DistributedFileSystem) files;
    }

    /** The location of {@code path} on HDFS. */
    String at(String path) {
        return files.getUri() + path;
    }

    void put(Path local, String path) throws IOException {
        files.copyFromLocalFile(on(local.toString()), on(path));
    }

    boolean exists(String path) throws IOException {
        return files.exists(on(path));
    }

    byte[] bytes(String path) throws IOException {
        try (var in = files.open(on(path))) {
            return in.readAllBytes();
        }
    }

    /** The losses in a run's metrics.jsonl, a line a step. */
    List<String> losses(String run) throws IOException {
        JsonMapper json = new JsonMapper();
        List<String> losses = new ArrayList<>();
        for (String line : new String(bytes(run + "/metrics.jsonl"), StandardCharsets.UTF_8)
                .lines()
                .toList()) {
            JsonNode step = json.readTree(line);
            losses.add(step.path("step") + " " + step.path("loss"));
        }
        return losses;
    }

    /** The step of a run's newest committed checkpoint; 0 without one. */
    int newestCheckpoint(String run) throws IOException {
        FileStatus[] committed = files.globStatus(on(run + "/checkpoints/step-*/state.json"));
        return Stream.of(committed == null ? new FileStatus[0] : committed)
                .mapToInt(state ->
                        Integer.parseInt(state.getPath().getParent().getName().substring("step-".length())))
                .max()
                .orElse(0);
    }

    private static org.apache.hadoop.fs.Path on(String path) {
        return new org.apache.hadoop.fs.Path(path);
    }

    /** Plain spark-submit of one of Kindling's commands, to YARN. */
    Process submit(String name, String deployMode, String... command) throws IOException {
        List<String> settings = new ArrayList<>(List.of(
                "spark.master=yarn",
                "spark.submit.deployMode=" + deployMode,
                "spark.yarn.jars=local:" + folder.resolve("spark/jars/*"),
                "spark.yarn.am.memory=384m",
                "spark.driver.memory=512m",
                "spark.driver.extraJavaOptions=-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
                "spark.executor.memory=512m",
                "spark.executor.extraJavaOptions=-XX:+UseSerialGC",
                "spark.yarn.appMasterEnv.LC_ALL=C.UTF-8",
                "spark.yarn.am.waitTime=120s",
                "spark.yarn.report.interval=200ms"));
        return processes.submit(name, settings, command);
    }

    /** Returns what the driver's process and its containers on YARN have printed. */
    String assertEndsWell(String name, Process submit) throws Exception {
        if (!submit.waitFor(RUN_SECONDS, TimeUnit.SECONDS)) {
            fail(printed(name));
        }
        String printed = printed(name);
        assertThat(submit.exitValue()).as(printed).isZero();
        return printed;
    }

    /** A condition that stays true once it is. */
    interface Condition {
        boolean holds() throws IOException;
    }

    void await(String name, Condition condition) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(RUN_SECONDS);
        while (!condition.holds()) {
            if (System.nanoTime() - end > 0) {
                fail(printed(name));
            }
            Thread.sleep(50);
        }
    }

    private String printed(String name) throws IOException {
        StringBuilder all = new StringBuilder(Files.readString(processes.err(name)));
        Matcher application = APPLICATION.matcher(all.toString());
        if (!application.find()) {
            return all.toString();
        }
        String logs = folder + "/target/test/data/yarn/*/*-logDir-*/" + application.group() + "/*/std*";
        for (FileStatus log : FileSystem.getLocal(new Configuration(false)).globStatus(on(logs))) {
            Path file = Path.of(log.getPath().toUri().getPath());
            all.append(file).append('\n').append(Files.readString(file));
        }
        return all.toString();
    }

    /** Processes of the application masters, the drivers of cluster mode among them. */
    List<ProcessHandle> applicationMasters() {
        return nodes.descendants()
                .filter(process -> process.info().command().orElse("").endsWith("java"))
                .filter(process -> Stream.of(process.info().arguments().orElse(new String[0]))
                        .anyMatch(argument -> argument.contains("deploy.yarn.ApplicationMaster")))
                .toList();
    }

    Path out(String name) {
        return processes.out(name);
    }

    Path err(String name) {
        return processes.err(name);
    }

    @Override
    public void close() throws Exception {
        List<ProcessHandle> containers = nodes.descendants().toList();
        processes.close();
        files.close();
        nodes.getOutputStream().close();
        if (!nodes.waitFor(20, TimeUnit.SECONDS)) {
            nodes.destroyForcibly();
        }
        containers.forEach(ProcessHandle::destroyForcibly);
    }
}
