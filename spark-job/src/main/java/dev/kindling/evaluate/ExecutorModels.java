package dev.kindling.evaluate;

import dev.kindling.train.ExecutorDevice;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * The models of this executor process: one for each device, loaded once and shared by the tasks on it. One that no task
 * has used for a while is closed, and at once where another model needs its device.
 */
final class ExecutorModels {
    private static final long IDLE_SECONDS = 20;
    private static final Map<Optional<Integer>, Entry> BY_DEVICE = new HashMap<>();
    private static final ScheduledExecutorService CLOSING = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread named = new Thread(work, "kindling-idle-models");
        named.setDaemon(true);
        return named;
    });

    private ExecutorModels() {}

    private static final class Entry {
        private final Scoring scoring;
        private final LoadedModel model;
        private int users;
        private long uses;

        Entry(Scoring scoring, LoadedModel model) {
            this.scoring = scoring;
            this.model = model;
        }
    }

    /** A task's share in a model; closing it ends the share. */
    record Lease(LoadedModel model, Runnable end) implements AutoCloseable {
        @Override
        public void close() {
            end.run();
        }
    }

    /** The model for the task that this thread runs. */
    static Lease acquire(Scoring scoring) throws IOException {
        synchronized (BY_DEVICE) {
            Optional<Integer> gpu = ExecutorDevice.gpu();
            Entry entry = BY_DEVICE.get(gpu);
            if (entry != null && (!entry.scoring.equals(scoring) || entry.model.failed())) {
                if (entry.users > 0) {
                    throw new IllegalStateException(
                            "this executor's device still evaluates %s; run one evaluation at a time, or give this one executors of its own"
                                    .formatted(entry.scoring.checkpoint()));
                }
                BY_DEVICE.remove(gpu).model.close();
                entry = null;
            }
            if (entry == null) {
                entry = new Entry(scoring, LoadedModel.load(scoring));
                BY_DEVICE.put(gpu, entry);
            }
            entry.users++;
            entry.uses++;
            Entry used = entry;
            return new Lease(used.model, () -> release(gpu, used));
        }
    }

    private static void release(Optional<Integer> gpu, Entry entry) {
        synchronized (BY_DEVICE) {
            entry.users--;
            long uses = entry.uses;
            CLOSING.schedule(() -> closeIdle(gpu, entry, uses), IDLE_SECONDS, TimeUnit.SECONDS);
        }
    }

    private static void closeIdle(Optional<Integer> gpu, Entry entry, long uses) {
        synchronized (BY_DEVICE) {
            if (entry.users == 0 && entry.uses == uses && BY_DEVICE.remove(gpu, entry)) {
                entry.model.close();
            }
        }
    }
}
