package dev.kindling.session;

import java.util.Map;
import org.apache.spark.TaskContext;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;

/**
 * Lets a second attempt at a task wait for a moment, in the jobs that a driver watches. The driver ends such a job at the
 * first error that another attempt does not cure, but learns of it after Spark has begun the next attempt, which
 * would read the same bad file again.
 */
public final class RetryPause implements SparkPlugin {
    /** The local property of the jobs that are watched. */
    public static final String WATCHED = "spark.kindling.watched";

    private static final long PAUSE_MILLIS = 500;

    @Override
    public DriverPlugin driverPlugin() {
        return null; // Spark's way to say that there is none
    }

    @Override
    public ExecutorPlugin executorPlugin() {
        return new ExecutorPlugin() {
            @Override
            public void init(PluginContext context, Map<String, String> extra) {
                // Nothing is needed of the context.
            }

            @Override
            public void onTaskStart() {
                TaskContext task = TaskContext.get();
                if (task.attemptNumber() > 0 && task.getLocalProperty(WATCHED) != null) {
                    pause();
                }
            }
        };
    }

    private static void pause() {
        try {
            Thread.sleep(PAUSE_MILLIS);
        } catch (InterruptedException e) { // the driver has ended the job
            Thread.currentThread().interrupt();
        }
    }
}
