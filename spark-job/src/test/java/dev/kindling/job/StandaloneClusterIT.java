package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.coordinate.EmbeddedCluster;
import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The application jar by plain spark-submit, on a master and two workers that are processes of their own. */
@Timeout(150)
class StandaloneClusterIT {
    @TempDir
    private Path folder;

    private final List<Process> processes = new ArrayList<>();
    private String master;

    @BeforeEach
    void startCluster() throws Exception {
        EmbeddedCluster.linkJars(folder.resolve("spark/jars"), sparkJars());
        int port = freePort();
        master = "spark://127.0.0.1:" + port;
        processes.add(java(
                "master",
                "org.apache.spark.deploy.master.Master",
                "--host",
                "127.0.0.1",
                "--port",
                "" + port,
                "--webui-port",
                "0"));
        for (String worker : List.of("worker-1", "worker-2")) {
            processes.add(java(
                    worker,
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
                    folder.resolve(worker).toString(),
                    master));
        }
    }

    @AfterEach
    void stopCluster() throws InterruptedException {
        processes.forEach(Process::destroy);
        for (Process process : processes) {
            if (!process.waitFor(10, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        }
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

    /** Starts a class of Spark's with its output in a file of that name. */
    private Process java(String name, String mainClass, String... arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Xmx512m");
        command.addAll(List.of(System.getProperty("spark.driver.jvm").split(" ")));
        command.addAll(List.of("-cp", folder.resolve("spark/jars") + File.separator + "*", mainClass));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("SPARK_HOME", folder.resolve("spark").toString());
        builder.environment().put("SPARK_LOCAL_DIRS", folder.resolve("local").toString());
        return builder.redirectError(folder.resolve(name + ".err").toFile())
                .redirectOutput(folder.resolve(name + ".out").toFile())
                .start();
    }

    @Test
    void plainSparkSubmitTrainsOnTwoWorkers() throws Exception {
        Path corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        Path run = folder.resolve("run");
        List<String> submit = new ArrayList<>(List.of(
                "--master",
                master,
                "--conf",
                "spark.executor.memory=512m",
                "--conf",
                "spark.executor.extraJavaOptions=-XX:+UseSerialGC",
                "--class",
                "dev.kindling.job.Kindling",
                System.getProperty("kindling.jar")));
        submit.addAll(List.of(CommandRuns.trainArguments(run, corpus.toString(), "--set", "train.max_steps=13")));
        Process driver = java("driver", "org.apache.spark.deploy.SparkSubmit", submit.toArray(String[]::new));
        processes.add(driver);
        assertThat(driver.waitFor(120, TimeUnit.SECONDS)).isTrue();
        assertThat(driver.exitValue())
                .as(Files.readString(folder.resolve("driver.err")))
                .isZero();
        assertThat(folder.resolve("driver.out")).content().contains("--- a sample ---", "on 2 executor(s)");
        assertThat(run.resolve("metrics.jsonl")).content().hasLineCount(13);
        assertThat(CommandRuns.weights(run, 13)).hasSizeGreaterThan(10_000);
        for (String worker : List.of("worker-1", "worker-2")) {
            try (Stream<Path> applications = Files.list(folder.resolve(worker))) {
                assertThat(applications).as("applications on " + worker).hasSize(1);
            }
        }
    }
}
