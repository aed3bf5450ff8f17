package dev.kindling.job;

import dev.kindling.session.SparkSessions;

/** Work that the driver does alone, so that it needs no Spark application; of YARN's drivers each must have one. */
final class DriverWork {
    /** Set in the process of an application master that runs the driver. */
    private static final String YARN_DRIVER = "spark.yarn.app.id";

    interface Work {
        void run() throws Exception;
    }

    private DriverWork() {}

    /** Does {@code work}, on YARN within an application without executors; another driver has failed to YARN. */
    static void run(String name, Work work) throws Exception {
        if (System.getProperty(YARN_DRIVER) == null) {
            work.run();
            return;
        }
        try (SparkSessions.Application application = new SparkSessions().openWithoutExecutors(name)) {
            work.run();
        }
    }
}
