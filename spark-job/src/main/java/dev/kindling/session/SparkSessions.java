package dev.kindling.session;

import dev.kindling.config.ConfigException;
import java.util.ConcurrentModificationException;
import java.util.function.Supplier;
import org.apache.hadoop.util.ShutdownHookManager;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.Option;

/**
 * Opens the Spark application that a job runs in, with the settings of {@link SparkSettings}. One that runs in this
 * process already, such as a notebook's, is used as it is and left running.
 */
public final class SparkSessions {
    private static final Logger LOG = LoggerFactory.getLogger(SparkSessions.class);
    private static final long STOP_MILLIS = 10_000;
    private static final int BEFORE_SPARKS_HOOKS = 1000;

    private SparkSessions() {}

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
     * The application of a barrier job on {@code executors} executors of one rank each; the caller closes it.
     *
     * @param gpus of this host that an embedded cluster offers its executors, one each; 0 for a job on the CPU
     * @throws ConfigException where the settings and barrier jobs exclude each other
     */
    public static Application openForBarriers(String name, int executors, int gpus) {
        Application application = application(() -> SparkSettings.forBarriers(new SparkConf(), name, executors, gpus));
        SparkSettings.requireFixedExecutors(application.session().sparkContext().conf());
        return application;
    }

    /** Like {@link #openForBarriers}, for a job of ordinary tasks; dynamic allocation may bring and take its executors. */
    public static Application openWithoutBarriers(String name, int executors, int gpus) {
        return application(() -> SparkSettings.withoutBarriers(new SparkConf(), name, executors, gpus));
    }

    /** An application for the sake of the cluster manager alone: nothing runs on it. */
    public static Application openWithoutExecutors(String name) {
        return application(() -> new SparkConf()
                .setAppName("kindling " + name)
                .set(SparkSettings.DYNAMIC_ALLOCATION, "false")
                .set("spark.executor.instances", "0"));
    }

    /** The executors of an application that runs, those that are still to come as its settings say; 1 in local mode. */
    public static int executors(SparkContext spark) {
        if (spark.isLocal()) {
            return 1;
        }
        int registered = spark.statusTracker().getExecutorInfos().length - 1; // the driver is one
        return Math.max(registered, spark.getConf().getInt("spark.executor.instances", 1));
    }

    /** When a signal ends the process, the embedded cluster logs at length how it loses executors and tries to replace them. */
    private static void quietConsole() {
        LoggerContext context = (LoggerContext) LogManager.getContext(false);
        context.getConfiguration().getRootLogger().removeAppender("console");
        context.updateLoggers();
    }

    private static Application application(Supplier<SparkConf> conf) {
        Option<SparkSession> running = SparkSession.getDefaultSession();
        if (running.isDefined() && !running.get().sparkContext().isStopped()) {
            OwnSettings.requireKnown(running.get().sparkContext().conf());
            return new Application(running.get(), false);
        }
        DriverModules.requireOpen();
        SparkConf settled = conf.get();
        OwnSettings.requireKnown(settled);
        StandaloneMaster.requireAnswer(settled);
        if (settled.getBoolean(SparkSettings.EMBEDDED, false)) {
            ShutdownHookManager.get().addShutdownHook(SparkSessions::quietConsole, BEFORE_SPARKS_HOOKS);
        }
        SparkSession session =
                started(() -> SparkSession.builder().config(settled).getOrCreate());
        EmbeddedClusterStop.prepare(session.sparkContext());
        return new Application(session, true);
    }

    /**
     * Starts Spark; once more if its start has failed by a race in it: in YARN's client mode Spark 4.2 adds YARN's filter to
     * the pages of its UI on one thread while it attaches them on another.
     */
    static SparkSession started(Supplier<SparkSession> start) {
        try {
            return start.get();
        } catch (ConcurrentModificationException e) {
            LOG.warn("Spark's start failed by a race in it (see the trace); starting it again", e);
            return start.get();
        }
    }
}
