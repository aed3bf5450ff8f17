package dev.kindling.session;

import com.sun.management.OperatingSystemMXBean;
import dev.kindling.config.ConfigException;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.model.ExecutorDevice;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.apache.spark.SparkConf;
import org.apache.spark.network.util.JavaUtils;

/**
 * The one place that sets Spark's configuration for Kindling's jobs, so that plain {@code spark-submit} runs them as
 * {@code submit.sh} does. What the user has set stays; a setting with which a job cannot run is refused with words.
 */
public final class SparkSettings {
    /** Set by submit.sh where no master is given: real executor processes on this host. */
    static final String EMBEDDED = "spark.kindling.embedded";

    /** Set by submit.sh: options with which a JVM shares an archive of Spark's classes, or lists those that it loads. */
    static final String CLASSES = "spark.kindling.classes";

    static final String DYNAMIC_ALLOCATION = "spark.dynamicAllocation.enabled";

    /** The driver's metrics for Prometheus, beside the Spark UI. */
    private static final String PROMETHEUS = "spark.metrics.conf.driver.sink.prometheusServlet";

    /** Tasks of a job without barriers that share a GPU of an embedded cluster: while one begins or ends, another feeds it. */
    private static final int ORDINARY_TASKS_PER_GPU = 2;

    /** A JVM that is told to use two garbage collectors does not start. */
    private static final Pattern CHOOSES_COLLECTOR = Pattern.compile("-XX:\\+Use\\w+GC\\b");

    /** JDK 17 crashes where an agent is shown the classes of an archive. */
    private static final Pattern HAS_AGENT = Pattern.compile("-(javaagent|agentlib|agentpath):");

    private static final String EXECUTOR_CORES = "spark.executor.cores";
    private static final String TASK_CPUS = "spark.task.cpus";

    /** Spark's own bound of the wait for executors while an application starts. */
    private static final long MAX_REGISTRATION_MILLIS = 30_000;

    private static final int MIN_EXECUTOR_MEBIBYTES = 1024;
    private static final int MAX_EXECUTOR_MEBIBYTES = 8192;

    private SparkSettings() {}

    /**
     * Settings of a barrier job: {@code executors} executors of one rank each, all of them at once.
     *
     * @param gpus of this host that an embedded cluster offers its executors, one each; 0 for a job on the CPU
     * @return {@code conf}
     * @throws ConfigException where the user's settings and barrier jobs exclude each other
     */
    public static SparkConf forBarriers(SparkConf conf, String name, int executors, int gpus) {
        requireFixedExecutors(conf);
        setCommon(conf, name, new EmbeddedShare(executors, gpus, 1));
        giveExecutorsOneRankEach(conf);
        setNumberOfExecutors(conf, executors);
        setCoreLimit(conf, executors);
        if (!conf.getBoolean(EMBEDDED, false)) { // whose executors come while the driver goes on
            conf.setIfMissing("spark.scheduler.minRegisteredResourcesRatio", "1.0");
        }
        conf.setIfMissing(
                "spark.scheduler.maxRegisteredResourcesWaitingTime",
                Math.min(MAX_REGISTRATION_MILLIS, Limits.of(conf).slots()) + "ms");
        // A killed executor costs a generation, not the application: how often is for the generations to decide.
        setUnlessNamed(conf, "spark.executor.failuresValidityInterval", "1h");
        setUnlessNamed(conf, "spark.executor.maxNumFailures", Integer.toString(Math.max(24, 8 * executors)));
        // Spark looks for free slots 40 times, 15 s apart; our own wait for slots comes before and is bounded.
        conf.setIfMissing("spark.scheduler.barrier.maxConcurrentTasksCheck.interval", "1s");
        conf.setIfMissing("spark.scheduler.barrier.maxConcurrentTasksCheck.maxFailures", "10");
        // A barrier stage begins when all of its slots are offered in one round, of which Spark makes one a second.
        conf.setIfMissing("spark.scheduler.revive.interval", "200ms");
        return conf;
    }

    /**
     * Settings of a job of ordinary tasks, which takes executors as they come: with dynamic allocation it begins with
     * {@code executors} and Spark brings and takes them, else it has that many.
     *
     * @param gpus as for {@link #forBarriers}
     * @return {@code conf}
     */
    public static SparkConf withoutBarriers(SparkConf conf, String name, int executors, int gpus) {
        setCommon(conf, name, new EmbeddedShare(executors, gpus, ORDINARY_TASKS_PER_GPU));
        setNumberOfExecutors(conf, executors);
        if (!conf.getBoolean(DYNAMIC_ALLOCATION, false)) {
            setCoreLimit(conf, executors);
        }
        return conf;
    }

    /** @throws ConfigException where executors may come and go in the middle of a barrier job */
    static void requireFixedExecutors(SparkConf conf) {
        if (conf.getBoolean(DYNAMIC_ALLOCATION, false)) {
            throw new ConfigException(
                    "%s=true does not go with a barrier job, which needs all its executors at once; add --conf %s=false",
                    DYNAMIC_ALLOCATION, DYNAMIC_ALLOCATION);
        }
    }

    /**
     * A task for each executor, with all its cores: ranks that shared one would share its device's memory and the place
     * where a rank leaves its last checkpoint.
     */
    private static void giveExecutorsOneRankEach(SparkConf conf) {
        int cores = conf.getInt(EXECUTOR_CORES, 1);
        conf.setIfMissing(TASK_CPUS, Integer.toString(cores));
        int cpus = conf.getInt(TASK_CPUS, 1);
        int ranks = cpus < 1 ? 0 : cores / cpus;
        if (ranks != 1) {
            throw new ConfigException(
                    "%s=%d and %s=%d leave room for %d ranks on an executor, where there must be one; set both to the same, or leave out %s",
                    EXECUTOR_CORES, cores, TASK_CPUS, cpus, ranks, TASK_CPUS);
        }
    }

    /** Also under an older name of the setting, which {@code setIfMissing} would overrule. */
    private static void setUnlessNamed(SparkConf conf, String key, String value) {
        if (!conf.contains(key)) {
            conf.set(key, value);
        }
    }

    private static void setNumberOfExecutors(SparkConf conf, int executors) {
        conf.setIfMissing("spark.executor.instances", Integer.toString(executors));
    }

    private static void setCoreLimit(SparkConf conf, int executors) {
        int cores = conf.getInt(EXECUTOR_CORES, 1);
        conf.setIfMissing("spark.cores.max", Integer.toString(Math.multiplyExact(executors, cores)));
    }

    private static void addPlugin(SparkConf conf, String plugin) {
        String plugins = conf.get("spark.plugins", "");
        if (!plugins.contains(plugin)) {
            conf.set("spark.plugins", plugins.isEmpty() ? plugin : plugins + "," + plugin);
        }
    }

    private static void setCommon(SparkConf conf, String name, EmbeddedShare share) {
        conf.setAppName("kindling " + name);
        boolean embedded = conf.getBoolean(EMBEDDED, false);
        int tasks = embedded && share.gpus() > 0 ? share.tasksPerGpu() : 1;
        conf.setIfMissing(EXECUTOR_CORES, Integer.toString(Math.multiplyExact(tasks, conf.getInt(TASK_CPUS, 1))));
        if (embedded) {
            embed(conf, share); // executors inherit the driver's locale
        } else {
            conf.setIfMissing(
                    "spark.executorEnv.LC_ALL", "C.UTF-8"); // else POSIX, which loses characters of file names
        }
        String master = conf.get("spark.master", "local[*]");
        if (master.startsWith("local[") && conf.contains("spark.executor.resource.gpu.amount")) {
            throw new ConfigException("spark.executor.resource.gpu.amount does not go with the master " + master
                    + ", where Spark waits for ever for a GPU; drop --master, or give that of a cluster");
        }
        conf.setIfMissing("spark.ui.showConsoleProgress", "false");
        conf.setIfMissing("spark.port.maxRetries", "100"); // that many Spark UIs on one host
        conf.setIfMissing(PROMETHEUS + ".class", "org.apache.spark.metrics.sink.PrometheusServlet");
        conf.setIfMissing(PROMETHEUS + ".path", "/metrics/prometheus");
        conf.setIfMissing("spark.network.crypto.saslFallback", "false");
        if (embedded || master.startsWith("k8s://")) {
            // Elsewhere masters, workers and shuffle services have a version of their own, which must be the same.
            conf.setIfMissing("spark.network.crypto.authEngineVersion", "2");
        }
        conf.set("spark.serializer", "org.apache.spark.serializer.KryoSerializer");
        KryoRegistrations.configure(conf);
        addPlugin(conf, RetryPause.class.getName());
        addPlugin(conf, LostDeviceExit.class.getName());
    }

    /** What an embedded cluster offers. */
    private record EmbeddedShare(int executors, int gpus, int tasksPerGpu) {}

    /**
     * A local cluster of real executor processes, each with its share of threads and memory: a worker an executor on the
     * CPU; with GPUs one worker that owns them all, since it is the worker that gives each executor its own.
     */
    private static void embed(SparkConf conf, EmbeddedShare share) {
        int executors = share.executors();
        int gpus = share.gpus();
        int cores = conf.getInt(EXECUTOR_CORES, 1);
        conf.setIfMissing("spark.metrics.namespace", "kindling"); // else a new name for each run
        conf.setIfMissing("spark.executor.memory", executorMebibytes(executors) + "m");
        setJavaOptions(conf);
        // Else of the executors that are there when it is asked for.
        conf.setIfMissing("spark.default.parallelism", Integer.toString(Math.max(2, executors * cores)));
        conf.setIfMissing("spark.files.useFetchCache", "false"); // a copy more of the jar
        long memory = JavaUtils.byteStringAsMb(conf.get("spark.executor.memory"));
        conf.setIfMissing(
                ExecutorDevice.CPU_THREADS,
                Integer.toString(Math.max(1, Runtime.getRuntime().availableProcessors() / executors)));
        if (gpus == 0) {
            conf.setMaster(String.format(Locale.ROOT, "local-cluster[%d,%d,%d]", executors, cores, memory));
            return;
        }
        if (executors > gpus) {
            throw new ConfigException(
                    "%d executors need a GPU each, and this host has %d; use --executors %d, or --device cpu",
                    executors, gpus, gpus);
        }
        conf.setMaster(String.format(Locale.ROOT, "local-cluster[1,%d,%d]", executors * cores, executors * memory));
        conf.set("spark.worker.resource.gpu.amount", Integer.toString(executors));
        conf.set("spark.worker.resource.gpu.discoveryScript", GpuDiscovery.script());
        conf.set("spark.executor.resource.gpu.amount", "1");
        conf.set("spark.task.resource.gpu.amount", Double.toString(1.0 / share.tasksPerGpu()));
    }

    private static void setJavaOptions(SparkConf conf) {
        List<String> options = new ArrayList<>();
        if (!CHOOSES_COLLECTOR
                .matcher(conf.get("spark.executor.extraJavaOptions", ""))
                .find()) {
            options.add("-XX:+UseParallelGC"); // G1's threads would compete
        }
        if (conf.contains(CLASSES)
                && !HAS_AGENT
                        .matcher(conf.get("spark.executor.extraJavaOptions", ""))
                        .find()) {
            options.add(conf.get(CLASSES));
            // The class path has to begin as that of the archive; Spark puts its conf folder before its jars.
            conf.setIfMissing("spark.executor.extraClassPath", Path.of(System.getenv("SPARK_HOME"), "jars") + "/*");
        }
        if (!options.isEmpty()) {
            conf.setIfMissing("spark.executor.defaultJavaOptions", String.join(" ", options));
        }
    }

    /** The heap that each of so many executors gets. */
    public static long executorBytes(SparkConf conf, int executors) {
        String otherwise = conf.getBoolean(EMBEDDED, false) ? executorMebibytes(executors) + "m" : "1g"; // Spark's own
        return JavaUtils.byteStringAsMb(conf.get("spark.executor.memory", otherwise)) << 20;
    }

    /** Half of the host's memory, shared, within bounds. */
    private static long executorMebibytes(int executors) {
        OperatingSystemMXBean host = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        long share = (host.getTotalMemorySize() / 2 / executors) >> 20;
        return Math.max(MIN_EXECUTOR_MEBIBYTES, Math.min(MAX_EXECUTOR_MEBIBYTES, share));
    }
}
