package dev.kindling.coordinate;

import org.apache.spark.SparkEnv;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The process that a task runs in. */
public final class ExecutorProcess {
    private static final Logger LOG = LoggerFactory.getLogger(ExecutorProcess.class);
    /** Exit code of an executor that had to end itself. */
    private static final int EXIT_FENCED = 57;

    private ExecutorProcess() {}

    /** Ends this executor at once, without shutdown hooks, which native code that hangs could block; never the driver. */
    public static void end(String reason) {
        if (!SparkEnv.get().executorId().equals("driver")) {
            LOG.error("{}; ending this executor", reason);
            Runtime.getRuntime().halt(EXIT_FENCED);
        }
    }
}
