package dev.kindling.job;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** A standalone cluster on this host: master, workers of one core and drivers are processes of their own. */
final class StandaloneCluster implements AutoCloseable {
    private final Path folder;
    private final String master;
    private final SparkProcesses processes;

    /** @param folder for Spark's home, work directories and the output of every process */
    StandaloneCluster(Path folder) throws IOException {
        this.folder = folder;
        processes = new SparkProcesses(folder);
        int port = freePort();
        master = "spark://127.0.0.1:" + port;
        processes.start(
                "master",
                "org.apache.spark.deploy.master.Master",
                "--host",
                "127.0.0.1",
                "--port",
                "" + port,
                "--webui-port",
                "0");
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    Process startWorker(String name) throws IOException {
        return processes.start(
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
        List<String> all = Stream.concat(
                        Stream.of(
                                "spark.master=" + master,
                                "spark.executor.memory=512m",
                                "spark.executor.extraJavaOptions=-XX:+UseSerialGC"),
                        settings.stream())
                .toList();
        return processes.submit(name, all, CommandRuns.trainArguments(run, corpus.toString(), more));
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
