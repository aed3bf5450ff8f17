package dev.kindling.coordinate;

import dev.kindling.coordinate.message.GenerationsResult;
import dev.kindling.session.SparkSettings;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * A Spark application on a cluster of real executor processes on this host, from the jars of the test's class path.
 * Worker and executors find them through SPARK_HOME, an environment variable that the build sets.
 */
public final class EmbeddedCluster implements AutoCloseable {
    private final JavaSparkContext sc;

    /** Starts {@code executors} processes of one core each, with further settings. */
    public EmbeddedCluster(int executors, Map<String, String> settings) {
        String home = System.getenv("SPARK_HOME");
        if (home == null) {
            throw new IllegalStateException(
                    "SPARK_HOME is not set; run the test by Maven, which sets it for the tests");
        }
        List<String> classPath = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .toList();
        linkJars(Path.of(home, "jars"), classPath);
        String folders = String.join(
                File.pathSeparator,
                classPath.stream().filter(entry -> !entry.endsWith(".jar")).toList());
        SparkConf conf = new SparkConf(false)
                .setMaster("local-cluster[" + executors + ",1,1024]")
                .set("spark.executor.memory", "512m")
                .set("spark.cores.max", String.valueOf(executors))
                .set("spark.executor.extraClassPath", folders)
                .set("spark.executor.extraJavaOptions", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1")
                .set("spark.ui.enabled", "false")
                .set("spark.kryo.registrationRequired", "true"); // all that is Kindling's is registered
        settings.forEach(conf::set);
        this.sc = new JavaSparkContext(SparkSettings.forBarriers(conf, "test", executors, 0));
    }

    public JavaSparkContext sc() {
        return sc;
    }

    GenerationsResult run(GenerationPlan plan, GenerationBody body, TopicHandlers handlers, Progress progress) {
        try (Coordinator coordinator = new Coordinator(sc, handlers)) {
            return new Generations(sc, coordinator, plan).run(body, progress);
        }
    }

    @Override
    public void close() {
        sc.close();
    }

    /** Links the jars among {@code classPath} into {@code folder}. */
    public static void linkJars(Path folder, List<String> classPath) {
        try {
            Files.createDirectories(folder);
            for (String entry : classPath) {
                if (entry.endsWith(".jar")) {
                    Path jar = Path.of(entry).toAbsolutePath();
                    try {
                        Files.createSymbolicLink(folder.resolve(jar.getFileName()), jar);
                    } catch (FileAlreadyExistsException e) {
                        // Linked by an earlier test.
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
