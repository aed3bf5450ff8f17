package dev.kindling.inference;

import dev.kindling.model.ExecutorDevice;
import java.io.IOException;
import java.util.HashMap;
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
 * The models of this executor process, loaded once for each device and shared by the tasks on it. One that no task has
 * used for a while is closed, and at once where another model needs its device; those that tasks use at the same time, as
 * two stages of a pipeline do, lie side by side.
 */
public final class ExecutorModels {
    private static final long IDLE_SECONDS = 20;
    /** Guards itself. */
    private static final Map<Use, SharedModel> MODELS = new HashMap<>();

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

    private record Use(Optional<Integer> gpu, Specification<?> specification) {}

    private static final class SharedModel {
        private final DeviceModel model;
        private int users;
        private long uses;

        SharedModel(DeviceModel model) {
            this.model = model;
        }
    }

    /** The model for the task that this thread runs, until the task ends. */
    @SuppressWarnings("unchecked") // an equal specification loads a model of the same class
    public static <M extends DeviceModel> M acquire(Specification<M> specification) throws IOException {
        synchronized (MODELS) {
            Use use = new Use(ExecutorDevice.gpu(), specification);
            SharedModel shared = MODELS.get(use);
            if (shared != null && shared.model.failed()) {
                MODELS.remove(use);
                if (shared.users == 0) {
                    shared.model.close();
                }
                shared = null;
            }
            if (shared == null) {
                makeRoom(use.gpu());
                shared = new SharedModel(specification.load());
                MODELS.put(use, shared);
            }
            shared.users++;
            shared.uses++;
            SharedModel used = shared;
            TaskCompletionListener end = task -> release(use, used);
            TaskContext.get().addTaskCompletionListener(end);
            return (M) used.model;
        }
    }

    private static void makeRoom(Optional<Integer> gpu) {
        MODELS.entrySet().removeIf(entry -> {
            boolean idle = entry.getKey().gpu().equals(gpu) && entry.getValue().users == 0;
            if (idle) {
                entry.getValue().model.close();
            }
            return idle;
        });
    }

    @SuppressWarnings("FutureReturnValueIgnored") // closeIdle logs its own failure
    private static void release(Use use, SharedModel shared) {
        synchronized (MODELS) {
            shared.users--;
            if (MODELS.get(use) != shared) { // it has failed, and another has taken its place
                if (shared.users == 0) {
                    shared.model.close();
                }
                return;
            }
            long uses = shared.uses;
            CLOSING.schedule(() -> closeIdle(use, shared, uses), IDLE_SECONDS, TimeUnit.SECONDS);
        }
    }

    private static void closeIdle(Use use, SharedModel shared, long uses) {
        synchronized (MODELS) {
            if (shared.users == 0 && shared.uses == uses && MODELS.remove(use, shared)) {
                try {
                    shared.model.close();
                } catch (RuntimeException | Error e) {
                    LOG.warn("a model that no task used any more could not be closed", e);
                }
            }
        }
    }
}
