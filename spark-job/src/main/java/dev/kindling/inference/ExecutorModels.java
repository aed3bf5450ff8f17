package dev.kindling.inference;

import dev.kindling.model.ExecutorDevice;
import java.io.IOException;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The models of this executor process: one for each device, loaded once and shared by the tasks on it. One that no task
 * has used for a while is closed, and at once where another model needs its device.
 */
public final class ExecutorModels {
    private static final long IDLE_SECONDS = 20;
    private static final Map<Optional<Integer>, SharedModel> BY_DEVICE = new HashMap<>();
    private static final ScheduledExecutorService CLOSING = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread named = new Thread(work, "kindling-idle-models");
        named.setDaemon(true);
        return named;
    });

    private static final Logger LOG = LoggerFactory.getLogger(ExecutorModels.class);

    private ExecutorModels() {}

    /** A model, ready to use, shared by the tasks of a device. */
    public interface DeviceModel extends AutoCloseable {
        /** Whether work on it has failed, after which nothing that its device says can be relied on. */
        boolean failed();

        @Override
        void close();
    }

    /**
     * What to load, and how: equal specifications share a model.
     *
     * @param <M> the model
     */
    public interface Specification<M extends DeviceModel> {
        /** Loads the model on the device of the task that this thread runs. */
        M load() throws IOException;
    }

    private static final class SharedModel {
        private final Specification<?> specification;
        private final DeviceModel model;
        private int users;
        private long uses;

        SharedModel(Specification<?> specification, DeviceModel model) {
            this.specification = specification;
            this.model = model;
        }
    }

    /** The model for the task that this thread runs, until the task ends. */
    @SuppressWarnings("unchecked") // an equal specification loads a model of the same class
    public static <M extends DeviceModel> M acquire(Specification<M> specification) throws IOException {
        synchronized (BY_DEVICE) {
            Optional<Integer> gpu = ExecutorDevice.gpu();
            SharedModel present = BY_DEVICE.get(gpu);
            if (present != null && (!present.specification.equals(specification) || present.model.failed())) {
                if (present.users > 0) {
                    throw new IllegalStateException(String.format(
                            Locale.ROOT,
                            "this executor's device is still busy for %s; run one job at a time, or give this one executors of its own",
                            present.specification));
                }
                BY_DEVICE.remove(gpu).model.close();
            }
            SharedModel shared = BY_DEVICE.get(gpu);
            if (shared == null) {
                shared = new SharedModel(specification, specification.load());
                BY_DEVICE.put(gpu, shared);
            }
            shared.users++;
            shared.uses++;
            SharedModel used = shared;
            TaskCompletionListener end = task -> release(gpu, used);
            TaskContext.get().addTaskCompletionListener(end);
            return (M) used.model;
        }
    }

    @SuppressWarnings("FutureReturnValueIgnored") // closeIdle logs its own failure
    private static void release(Optional<Integer> gpu, SharedModel shared) {
        synchronized (BY_DEVICE) {
            shared.users--;
            long uses = shared.uses;
            CLOSING.schedule(() -> closeIdle(gpu, shared, uses), IDLE_SECONDS, TimeUnit.SECONDS);
        }
    }

    private static void closeIdle(Optional<Integer> gpu, SharedModel shared, long uses) {
        synchronized (BY_DEVICE) {
            if (shared.users == 0 && shared.uses == uses && BY_DEVICE.remove(gpu, shared)) {
                try {
                    shared.model.close();
                } catch (RuntimeException | Error e) {
                    LOG.warn("a model that no task used any more could not be closed", e);
                }
            }
        }
    }
}
