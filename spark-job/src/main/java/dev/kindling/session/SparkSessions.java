package dev.kindling.session;

import com.sun.management.OperatingSystemMXBean;
import dev.kindling.config.ConfigException;
import dev.kindling.coordinate.CoordinatorPlugin;
import dev.kindling.model.ExecutorDevice;
import java.lang.management.ManagementFactory;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.network.util.JavaUtils;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.Option;

/**
 * The one place where Kindling's jobs settle Spark's configuration, so that plain {@code spark-submit} runs them as
 * {@code submit.sh} does. What the user has set stays, save what barrier jobs cannot do without.
 */
public final class SparkSessions {
    private static final Logger LOG = LoggerFactory.getLogger(SparkSessions.class);
    private static final long STOP_MILLIS = 10_000;

    /** Set by submit.sh where no master is given: real executor processes on this host. */
    static final String EMBEDDED = "spark.kindling.embedded";

    /** The driver's metrics for Prometheus, beside the Spark UI. */
    private static final String PROMETHEUS = "spark.metrics.conf.driver.sink.prometheusServlet";

    private static final String DYNAMIC = "spark.dynamicAllocation.enabled";

    /** Tasks without barriers that share a GPU of an embedded cluster: while one begins or ends, another feeds it. */
    private static final int ELASTIC_TASKS_A_GPU = 2;

    private static final int MIN_EXECUTOR_MEBIBYTES = 1024;
    private static final int MAX_EXECUTOR_MEBIBYTES = 8192;

    private final Consumer<SparkConf> coordination;

    /** @param coordination adds what the coordinator needs: its plugin and the Kryo registrations */
    public SparkSessions(Consumer<SparkConf> coordination) {
        this.coordination = coordination;
    }

    public static SparkSessions forJobs() {
        return new SparkSessions(conf -> {
            CoordinatorPlugin.configure(conf);
            KryoRegistrations.configure(conf);
        });
    }

    /**
     * The Spark application that a job runs in.
     *
     * @param own whether it was started for the job, and so ends with it
     */
    public record Application(SparkSession session, boolean own) implements AutoCloseable {
        public JavaSparkContext spark() {
            return JavaSparkContext.fromSparkContext(session.sparkContext());
        }

        /** Bounded: Spark may wait for a minute where all executors are gone, and the process ends anyway. */
        @Override
        public void close() {
            if (!own) {
                return;
            }
            Thread stopping = new Thread(session::stop, "kindling-spark-stop");
            stopping.setDaemon(true);
            stopping.start();
            try {
                stopping.join(STOP_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            if (stopping.isAlive()) {
                LOG.warn("Spark has not stopped within {} ms; the process ends without it", STOP_MILLIS);
            }
        }
    }

    /**
     * The application of a job on {@code executors} executors of one rank each; the caller closes it. One that runs in
     * this process already, such as a notebook's, is used as it is and left running.
     *
     * @param gpus of this host that an embedded cluster offers its executors, one each; 0 for a job on the CPU
     */
    public Application open(String name, int executors, int gpus) {
        return application(() -> configure(new SparkConf(), name, executors, gpus));
    }

    /**
     * Like {@link #open}, for a job without barriers: it takes executors as they come, so dynamic allocation may bring
     * and take them.
     */
    public Application openElastic(String name, int executors, int gpus) {
        return application(() -> configureElastic(new SparkConf(), name, executors, gpus));
    }

    private static Application application(Supplier<SparkConf> conf) {
        Option<SparkSession> running = SparkSession.getDefaultSession();
        if (running.isDefined() && !running.get().sparkContext().isStopped()) {
            return new Application(running.get(), false);
        }
        SparkSession session = SparkSession.builder().config(conf.get()).getOrCreate();
        return new Application(session, true);
    }

    /** @throws ConfigException when the cluster's settings and barrier jobs exclude each other */
    public SparkConf configure(SparkConf conf, String name, int executors, int gpus) {
        if (conf.getBoolean(DYNAMIC, false)) {
            throw new ConfigException("spark.dynamicAllocation.enabled=true does not go with barrier jobs, which need"
                    + " all their executors at once; add --conf spark.dynamicAllocation.enabled=false");
        }
        settle(conf, name, new Embedding(executors, gpus, 1));
        fix(conf, executors);
        conf.setIfMissing("spark.scheduler.minRegisteredResourcesRatio", "1.0");
        conf.setIfMissing("spark.scheduler.barrier.maxConcurrentTasksCheck.interval", "1s");
        return conf;
    }

    SparkConf configureElastic(SparkConf conf, String name, int executors, int gpus) {
        settle(conf, name, new Embedding(executors, gpus, ELASTIC_TASKS_A_GPU));
        if (!conf.getBoolean(DYNAMIC, false)) {
            fix(conf, executors);
        }
        return conf;
    }

    private static void fix(SparkConf conf, int executors) {
        int cores = conf.getInt("spark.executor.cores", 1);
        conf.setIfMissing("spark.executor.instances", Integer.toString(executors));
        conf.setIfMissing("spark.cores.max", Integer.toString(Math.multiplyExact(executors, cores)));
    }

    /** @param tasksAGpu that share an executor's GPU */
    private record Embedding(int executors, int gpus, int tasksAGpu) {}

    private void settle(SparkConf conf, String name, Embedding embedding) {
        conf.setAppName("kindling " + name);
        if (conf.getBoolean(EMBEDDED, false)) {
            embed(conf, embedding);
        }
        String master = conf.get("spark.master", "local[*]");
        if (master.startsWith("local[") && conf.contains("spark.executor.resource.gpu.amount")) {
            throw new ConfigException("spark.executor.resource.gpu.amount does not go with the master " + master
                    + ", where Spark waits for ever for a GPU; drop --master, or give that of a cluster");
        }
        conf.setIfMissing("spark.executor.cores", "1");
        conf.setIfMissing("spark.ui.showConsoleProgress", "false");
        conf.setIfMissing("spark.port.maxRetries", "100"); // that many Spark UIs on one host
        conf.setIfMissing(PROMETHEUS + ".class", "org.apache.spark.metrics.sink.PrometheusServlet");
        conf.setIfMissing(PROMETHEUS + ".path", "/metrics/prometheus");
        conf.set("spark.serializer", "org.apache.spark.serializer.KryoSerializer");
        conf.set("spark.kryo.registrationRequired", "true");
        coordination.accept(conf);
    }

    /**
     * A local cluster of real executor processes, each with its share of threads and memory: a worker an executor on the
     * CPU; with GPUs one worker that owns them all, since it is the worker that gives each executor its own.
     */
    private static void embed(SparkConf conf, Embedding embedding) {
        int executors = embedding.executors();
        int gpus = embedding.gpus();
        conf.setIfMissing("spark.executor.cores", Integer.toString(gpus == 0 ? 1 : embedding.tasksAGpu()));
        int cores = conf.getInt("spark.executor.cores", 1);
        conf.setIfMissing("spark.metrics.namespace", "kindling"); // else a new name for each run
        conf.setIfMissing("spark.executor.memory", executorMebibytes(executors) + "m");
        conf.setIfMissing("spark.executor.defaultJavaOptions", "-XX:+UseParallelGC"); // G1's threads would compete
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
                    "%d executors need a GPU each, and this host has %d; use --executors %d, or --device cpu"
                            .formatted(executors, gpus, gpus));
        }
        conf.setMaster(String.format(Locale.ROOT, "local-cluster[1,%d,%d]", executors * cores, executors * memory));
        conf.set("spark.worker.resource.gpu.amount", Integer.toString(executors));
        conf.set("spark.worker.resource.gpu.discoveryScript", GpuDiscovery.script());
        conf.set("spark.executor.resource.gpu.amount", "1");
        conf.set("spark.task.resource.gpu.amount", Double.toString(1.0 / embedding.tasksAGpu()));
    }

    /** Half of the host's memory, shared, within bounds. */
    private static long executorMebibytes(int executors) {
        OperatingSystemMXBean host = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        long share = (host.getTotalMemorySize() / 2 / executors) >> 20;
        return Math.max(MIN_EXECUTOR_MEBIBYTES, Math.min(MAX_EXECUTOR_MEBIBYTES, share));
    }
}
