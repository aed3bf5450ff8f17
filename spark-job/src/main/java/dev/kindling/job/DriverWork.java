package dev.kindling.job;

import dev.kindling.session.SparkSessions;

/** Work of the driver alone. It needs no Spark application, except on YARN, where every driver must register one. */
final class DriverWork {
    /** Set in the process of an application master that runs the driver. */
    private static final String YARN_DRIVER = "spark.yarn.app.id";

    interface Work {
        void run() throws Exception;
    }

    private DriverWork() {}

    /** Does {@code work}; on YARN within an application without executors, as YARN takes a driver without one for failed. */
    static void run(String name, Work work) throws Exception {
        if (System.getProperty(YARN_DRIVER) == null) {
            work.run();
            return;
        }
        try (SparkSessions.Application application = SparkSessions.openWithoutExecutors(name)) {
            work.run();
        }
    }
}
