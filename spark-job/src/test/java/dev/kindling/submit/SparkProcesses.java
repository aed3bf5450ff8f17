package dev.kindling.submit;

import dev.kindling.coordinate.EmbeddedCluster;
import dev.kindling.job.CommandRuns;
import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** Processes of Spark on this host: drivers by plain spark-submit of the application jar, masters, workers. */
public final class SparkProcesses implements AutoCloseable {
    private final Path folder;
    private final Path hadoopConf;
    private final Map<String, Process> processes = new LinkedHashMap<>();

    /** @param folder for Spark's home, work directories and the output of every process */
    public SparkProcesses(Path folder) {
        this(folder, null);
    }

    /** @param hadoopConf folder of Hadoop's settings; null for none */
    SparkProcesses(Path folder, Path hadoopConf) {
        this.folder = folder;
        this.hadoopConf = hadoopConf;
        EmbeddedCluster.linkJars(folder.resolve("spark/jars"), sparkJars());
    }

    /** The test's class path without Kindling, what its application jar brings, and a second logger. */
    public static List<String> sparkJars() {
        String application =
                ".*[/\\\\](kindling|picocli|progressbar|exist-samples|jcuda|jcublas|dnnl|javacpp|slf4j-simple|hadoop-client-minicluster)[^/\\\\]*";
        return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(entry -> entry.endsWith(".jar") && !entry.matches(application))
                .toList();
    }

    /**
     * A driver that runs one of Kindling's commands.
     *
     * @param settings Spark's, {@code key=value}, and options of spark-submit without a value, {@code --supervise}
     */
    public Process submit(String name, List<String> settings, String... command) throws IOException {
        List<String> submit = new ArrayList<>();
        settings.forEach(
                setting -> submit.addAll(setting.startsWith("--") ? List.of(setting) : List.of("--conf", setting)));
        submit.addAll(List.of("--class", "dev.kindling.job.Kindling", System.getProperty("kindling.jar")));
        submit.addAll(List.of(command));
        return start(name, "org.apache.spark.deploy.SparkSubmit", submit.toArray(String[]::new));
    }

    /** What the process of that name has printed to standard output. */
    Path out(String name) {
        return folder.resolve(name + ".out");
    }

    /** What the process of that name has printed to standard error. */
    public Path err(String name) {
        return folder.resolve(name + ".err");
    }

    Process start(String name, String mainClass, String... arguments) throws IOException {
        return start(name, List.of(), mainClass, arguments);
    }

    /** @param properties of the JVM, {@code -Dkey=value} */
    Process start(String name, List<String> properties, String mainClass, String... arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")); // they only coordinate
        command.addAll(List.of(System.getProperty("spark.driver.jvm").split(" ")));
        command.addAll(properties);
        String jars = folder.resolve("spark/jars") + File.separator + "*";
        command.addAll(List.of("-cp", hadoopConf == null ? jars : hadoopConf + File.pathSeparator + jars, mainClass));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("SPARK_HOME", folder.resolve("spark").toString());
        builder.environment().put("SPARK_LOCAL_DIRS", folder.resolve("local").toString());
        if (hadoopConf != null) {
            builder.environment().put("HADOOP_CONF_DIR", hadoopConf.toString());
        }
        builder.environment().put("LC_ALL", "C.UTF-8"); // a driver refuses a locale that loses characters
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
