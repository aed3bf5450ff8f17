package dev.kindling.session;

import dev.kindling.coordinate.ExecutorProcess;
import dev.kindling.device.cuda.library.CudaException;
import java.util.Map;
import org.apache.spark.ExceptionFailure;
import org.apache.spark.TaskFailedReason;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;
import scala.jdk.javaapi.OptionConverters;

/**
 * Ends an executor on whose GPU a task has failed so that its process can do nothing more there: the next attempt gets an
 * executor whose GPU works. (A rank ends its executor itself, once the driver knows the cause.)
 */
public final class LostDeviceExit implements SparkPlugin {
    /** For Spark to tell the driver of the task's failure, which it does after it has told the plugins. */
    private static final long REPORT_MILLIS = 1_000;

    @Override
    public DriverPlugin driverPlugin() {
        return null; // Spark's way to say that there is none
    }

    @Override
    public ExecutorPlugin executorPlugin() {
        return new ExecutorPlugin() {
            private volatile boolean ending;

            @Override
            public void init(PluginContext context, Map<String, String> extra) {
                // Nothing is needed of the context.
            }

            @Override
            public void onTaskStart() {
                if (ending) { // the task is for another executor
                    pause();
                }
            }

            @Override
            public void onTaskFailed(TaskFailedReason reason) {
                if (!ending && reason instanceof ExceptionFailure thrown && lost(thrown)) {
                    ending = true;
                    Thread end = new Thread(() -> end(thrown.description()), "kindling-lost-device");
                    end.setDaemon(true);
                    end.start();
                }
            }
        };
    }

    private static boolean lost(ExceptionFailure thrown) {
        return OptionConverters.toJava(thrown.exception())
                .filter(CudaException::tellsOfLostContext)
                .isPresent();
    }

    private static void end(String what) {
        pause();
        ExecutorProcess.end("a task has lost the device: " + what);
    }

    private static void pause() {
        try {
            Thread.sleep(REPORT_MILLIS);
        } catch (InterruptedException e) { // the driver has ended the job
            Thread.currentThread().interrupt();
        }
    }
}
