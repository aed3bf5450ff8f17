package dev.kindling.job;

import dev.kindling.job.command.ExitCode;
import org.apache.spark.SparkUserAppException;

/**
 * Ends the program in the way that its caller expects. YARN's application master and spark-submit call {@code main}: they take
 * its return for success and Spark's own exception for another exit code, while an exit from within {@code main} is a
 * failure to YARN, with another attempt to follow.
 */
final class ProcessEnd {
    /** Set by spark-submit, and by the cluster where the driver runs there. */
    private static final String SUBMITTED = "spark.submit.deployMode";

    private static final long LEFT_THREADS_MILLIS = 5_000;

    private ProcessEnd() {}

    /**
     * Returns for exit code 0 where Spark has called {@code main}; else does not return.
     *
     * @throws Exception Spark's, for another exit code
     */
    static void with(int code) throws Exception {
        if (System.getProperty(SUBMITTED) == null) {
            System.exit(code);
        }
        if (Thread.currentThread().getName().equals("main")) { // else the process is not this program's to end
            endDespiteThreads(code);
        }
        if (code != ExitCode.DONE) {
            Submitted.fail(code);
        }
    }

    /** A JVM ends with its last thread that is no daemon, and a library may have left one. */
    private static void endDespiteThreads(int code) {
        Thread ending = new Thread(
                () -> {
                    try {
                        Thread.sleep(LEFT_THREADS_MILLIS);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                    System.exit(code);
                },
                "kindling-end");
        ending.setDaemon(true);
        ending.start();
    }

    /** Apart from its callers, which the jar runs without Spark too. */
    private static final class Submitted {
        static void fail(int code) throws Exception {
            throw new SparkUserAppException(code, null);
        }
    }
}
