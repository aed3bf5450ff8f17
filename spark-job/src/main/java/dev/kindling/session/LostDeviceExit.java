package dev.kindling.session;

import dev.kindling.coordinate.ExecutorProcess;
import dev.kindling.device.cuda.library.CudaException;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.ExceptionFailure;
import org.apache.spark.TaskFailedReason;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.jdk.javaapi.OptionConverters;

/**
 * Ends an executor whose GPU is lost to its process, as after a failed kernel: it first reports the cause to the driver, and
 * ends before Spark reports the failed task, so that the next attempt gets another executor. (A rank ends its executor
 * itself.)
 */
public final class LostDeviceExit implements SparkPlugin {
    private static final Logger LOG = LoggerFactory.getLogger(LostDeviceExit.class);

    @Override
    public DriverPlugin driverPlugin() {
        return new DriverPlugin() {
            @Override
            public Object receive(Object cause) {
                LOG.warn("{}", cause);
                System.err.println("kindling: " + cause);
                return null;
            }
        };
    }

    @Override
    public ExecutorPlugin executorPlugin() {
        return new ExecutorPlugin() {
            private PluginContext context;

            @Override
            public void init(PluginContext ofExecutor, Map<String, String> extra) {
                context = ofExecutor;
            }

            @Override
            public void onTaskFailed(TaskFailedReason reason) {
                if (reason instanceof ExceptionFailure thrown && isLost(thrown)) {
                    end(context, thrown.description());
                }
            }
        };
    }

    private static boolean isLost(ExceptionFailure thrown) {
        return OptionConverters.toJava(thrown.exception())
                .filter(CudaException::tellsOfLostContext)
                .isPresent();
    }

    private static void end(PluginContext context, String what) {
        String cause =
                String.format(Locale.ROOT, "executor %s has lost its device and ends: %s", context.executorID(), what);
        try {
            context.ask(cause);
        } catch (Exception e) {
            LOG.error("the driver could not be told: {}", e.toString());
        }
        ExecutorProcess.end(cause);
    }
}
