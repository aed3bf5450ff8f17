package dev.kindling.session;

import java.io.File;
import java.util.List;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.cluster.StandaloneSchedulerBackend;
import org.apache.spark.util.Utils$;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.Function1;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

/**
 * Stops the workers of an embedded cluster after the application, not beside it. When that ends, they delete what its executors
 * have left, by threads that Spark's stop takes away from them: it then prints a RejectedExecutionException. Mostly an
 * application that ends soon after its start meets that.
 */
final class EmbeddedClusterStop extends AbstractFunction1<StandaloneSchedulerBackend, BoxedUnit> {
    private static final Logger LOG = LoggerFactory.getLogger(EmbeddedClusterStop.class);
    private static final String MASTER = "local-cluster";
    /** How Spark begins the names of its executors' folders. */
    private static final String EXECUTOR = "executor-";

    private static final long MOST_MILLIS = 2_000;
    private static final long POLL_MILLIS = 10;

    private final List<File> folders;
    private final long mostMillis;
    private final Function1<StandaloneSchedulerBackend, BoxedUnit> stop;

    /**
     * @param folders in which workers make those of executors
     * @param mostMillis how long the end waits for workers
     * @param stop Spark's own
     */
    EmbeddedClusterStop(List<File> folders, long mostMillis, Function1<StandaloneSchedulerBackend, BoxedUnit> stop) {
        this.folders = folders;
        this.mostMillis = mostMillis;
        this.stop = stop;
    }

    /** Has an application stop so, if it is on an embedded cluster. */
    static void prepare(SparkContext spark) {
        if (spark.master().startsWith(MASTER)
                && spark.schedulerBackend() instanceof StandaloneSchedulerBackend backend) {
            List<File> folders = List.of(Utils$.MODULE$.getOrCreateLocalRootDirs(spark.conf())).stream()
                    .map(File::new)
                    .toList();
            backend.shutdownCallback_$eq(new EmbeddedClusterStop(folders, MOST_MILLIS, backend.shutdownCallback()));
        }
    }

    @Override
    public BoxedUnit apply(StandaloneSchedulerBackend backend) {
        long end = System.nanoTime() + mostMillis * 1_000_000;
        while (folders.stream().anyMatch(EmbeddedClusterStop::holdsExecutors)) {
            if (System.nanoTime() - end > 0) {
                LOG.info("workers are stopped while they delete the folders of executors in {}", folders);
                break;
            }
            try {
                Thread.sleep(POLL_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                break;
            }
        }
        return stop.apply(backend);
    }

    private static boolean holdsExecutors(File folder) {
        String[] executors = folder.list((parent, name) -> name.startsWith(EXECUTOR));
        return executors != null && executors.length > 0;
    }
}
