package dev.kindling.coordinate;

import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.MessageCodec;
import dev.kindling.coordinate.message.RankMessage;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;

/**
 * Spark's door between executors and driver ({@code spark.plugins}). Spark makes the instances and gives tasks no way
 * to reach them, hence the two references per JVM, which are the only static state of Kindling's control plane.
 */
public final class CoordinatorPlugin implements SparkPlugin {
    private static final AtomicReference<Executor> EXECUTOR = new AtomicReference<>();
    private static final AtomicReference<Coordinator> DRIVER = new AtomicReference<>();

    /** @param retained what ranks leave in this process for those of later generations */
    private record Executor(PluginContext context, AtomicReference<Object> retained) {}

    static void connect(Coordinator coordinator) {
        if (!DRIVER.compareAndSet(null, coordinator)) {
            throw new IllegalStateException("a Coordinator is open in this driver already; close it first");
        }
    }

    static void disconnect(Coordinator coordinator) {
        DRIVER.compareAndSet(coordinator, null);
    }

    /** Asks the driver, from an executor. */
    static DriverReply ask(RankMessage message) throws Exception {
        return MessageCodec.decode((byte[]) executor().context.ask(MessageCodec.encode(message)), DriverReply.class);
    }

    /** The one place of this executor process that outlives a generation. */
    static AtomicReference<Object> retained() {
        return executor().retained;
    }

    private static Executor executor() {
        Executor executor = EXECUTOR.get();
        if (executor == null) {
            throw new FatalJobException("Kindling's plugin is not loaded in this executor; start the application with "
                    + "spark.plugins=" + CoordinatorPlugin.class.getName());
        }
        return executor;
    }

    @Override
    public DriverPlugin driverPlugin() {
        return new DriverPlugin() {
            @Override
            public Object receive(Object message) {
                Coordinator coordinator = DRIVER.get();
                DriverReply reply = coordinator == null
                        ? new DriverReply.Stop("the driver has no coordinator; the job is over")
                        : coordinator.receive(MessageCodec.decode((byte[]) message, RankMessage.class));
                return MessageCodec.encode(reply);
            }
        };
    }

    @Override
    public ExecutorPlugin executorPlugin() {
        return new ExecutorPlugin() {
            @Override
            public void init(PluginContext context, Map<String, String> extra) {
                EXECUTOR.set(new Executor(context, new AtomicReference<>()));
            }
        };
    }
}
