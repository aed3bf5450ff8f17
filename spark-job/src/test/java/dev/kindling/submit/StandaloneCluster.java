package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.job.CommandRuns;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A standalone cluster on this host: master, workers of one core and drivers are processes of their own. */
public final class StandaloneCluster implements AutoCloseable {
    private final Path folder;
    private final String master;
    private final SparkProcesses processes;
    private final List<String> settings;

    /**
     * Starts the master.
     *
     * @param folder for Spark's home, work directories and the output of every process
     * @param settings Spark's, {@code key=value}, of master, workers and applications
     */
    public StandaloneCluster(Path folder, String... settings) throws IOException {
        this.folder = folder;
        this.settings = List.of(settings);
        processes = new SparkProcesses(folder);
        int port = freePort();
        master = "spark://127.0.0.1:" + port;
        processes.start(
                "master",
                properties(),
                "org.apache.spark.deploy.master.Master",
                "--host",
                "127.0.0.1",
                "--port",
                "" + port,
                "--webui-port",
                "0");
    }

    private List<String> properties() {
        return settings.stream().map(setting -> "-D" + setting).toList();
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    /** The master's URL. */
    public String master() {
        return master;
    }

    Process startWorker(String name) throws IOException {
        return startWorker(name, "127.0.0.1");
    }

    /** Starts a worker that Spark knows as {@code host}, an address of this one. */
    public Process startWorker(String name, String host) throws IOException {
        return processes.start(
                name,
                properties(),
                "org.apache.spark.deploy.worker.Worker",
                "--host",
                host,
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
     * @param more settings of Spark, {@code key=value}
     */
    Process train(String name, Path run, Path corpus, List<String> more, String... options) throws IOException {
        return submit(name, more, CommandRuns.trainArguments(run, corpus.toString(), options));
    }

    /** Plain spark-submit of a command. */
    Process submit(String name, List<String> more, String... command) throws IOException {
        List<String> all = new ArrayList<>(List.of(
                "spark.master=" + master,
                "spark.executor.memory=512m",
                "spark.executor.extraJavaOptions=-XX:+UseSerialGC"));
        all.addAll(settings);
        all.addAll(more);
        return processes.submit(name, all, command);
    }

    /** Waits, bounded, until a driver has ended with exit code 0. */
    void assertEndsWell(String name, Process driver) throws Exception {
        assertThat(driver.waitFor(400, TimeUnit.SECONDS)).as(name).isTrue();
        assertThat(driver.exitValue()).as(Files.readString(err(name))).isZero();
    }

    /** What the process of that name has printed to standard output. */
    Path out(String name) {
        return processes.out(name);
    }

    /** What the process of that name has printed to standard error. */
    Path err(String name) {
        return processes.err(name);
    }

    @Override
    public void close() {
        processes.close();
    }
}
