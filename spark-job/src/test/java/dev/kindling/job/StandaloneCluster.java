package dev.kindling.job;

import dev.kindling.coordinate.EmbeddedCluster;
import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** A standalone cluster on this host: master, workers of one core and drivers are processes of their own. */
final class StandaloneCluster implements AutoCloseable {
    private final Path folder;
    private final String master;
    private final Map<String, Process> processes = new LinkedHashMap<>();

    /** @param folder for Spark's home, work directories and the output of every process */
    StandaloneCluster(Path folder) throws IOException {
        this.folder = folder;
        EmbeddedCluster.linkJars(folder.resolve("spark/jars"), sparkJars());
        int port = freePort();
        master = "spark://127.0.0.1:" + port;
        start(
                "master",
                "org.apache.spark.deploy.master.Master",
                "--host",
                "127.0.0.1",
                "--port",
                "" + port,
                "--webui-port",
                "0");
    }

    /** The test's class path without Kindling, and without what its application jar brings. */
    private static List<String> sparkJars() {
        String application =
                ".*[/\\\\](kindling|picocli|progressbar|exist-samples|jcuda|jcublas|dnnl|javacpp)[^/\\\\]*";
        return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(entry -> entry.endsWith(".jar") && !entry.matches(application))
                .toList();
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    Process startWorker(String name) throws IOException {
        return start(
                name,
                "org.apache.spark.deploy.worker.Worker",
                "--host",
                "127.0.0.1",
                "--cores",
                "1",
                "--memory",
                "1g",
                "--webui-port",
                "0",
                "--work-dir",
                folder.resolve(name).toString(),
                master);
    }

    /**
     * Plain spark-submit of a training of the tiny model.
     *
     * @param settings Spark's, {@code key=value}
     */
    Process train(String name, Path run, Path corpus, List<String> settings, String... more) throws IOException {
        List<String> submit = new ArrayList<>(List.of("--master", master));
        submit.addAll(List.of("--conf", "spark.executor.memory=512m"));
        submit.addAll(List.of("--conf", "spark.executor.extraJavaOptions=-XX:+UseSerialGC"));
        settings.forEach(setting -> submit.addAll(List.of("--conf", setting)));
        submit.addAll(List.of("--class", "dev.kindling.job.Kindling", System.getProperty("kindling.jar")));
        submit.addAll(List.of(CommandRuns.trainArguments(run, corpus.toString(), more)));
        return start(name, "org.apache.spark.deploy.SparkSubmit", submit.toArray(String[]::new));
    }

    /** What the process of that name has printed to standard output. */
    Path out(String name) {
        return folder.resolve(name + ".out");
    }

    /** What the process of that name has printed to standard error. */
    Path err(String name) {
        return folder.resolve(name + ".err");
    }

    private Process start(String name, String mainClass, String... arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Xmx512m");
        command.addAll(List.of(System.getProperty("spark.driver.jvm").split(" ")));
        command.addAll(List.of("-cp", folder.resolve("spark/jars") + File.separator + "*", mainClass));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("SPARK_HOME", folder.resolve("spark").toString());
        builder.environment().put("SPARK_LOCAL_DIRS", folder.resolve("local").toString());
        Process process = builder.redirectError(err(name).toFile())
                .redirectOutput(out(name).toFile())
                .start();
        processes.put(name, process);
        return process;
    }

    @Override
    public void close() {
        List<ProcessHandle> executors = CommandRuns.executors();
        processes.values().forEach(Process::destroy);
        for (Process process : processes.values()) {
            try {
                if (!process.waitFor(10, TimeUnit.SECONDS)) {
                    process.destroyForcibly();
                }
            } catch (InterruptedException e) {
                process.destroyForcibly();
                Thread.currentThread().interrupt();
            }
        }
        executors.forEach(ProcessHandle::destroyForcibly);
    }
}
