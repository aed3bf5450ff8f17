package dev.kindling.train.checkpoint;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.coordinate.message.FencedException;
import java.io.IOException;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Saves checkpoints beside training: a thread of its own keeps a snapshot, stages it and has it committed. One save is in
 * flight at most; the next one waits for it, bounded. A failed save surfaces at the next call of {@link #check}, {@link #begin}
 * or {@link #finish}; what was committed before stays. Used by the training thread.
 */
public final class CheckpointWriter implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(CheckpointWriter.class);
    private static final long POLL_MILLIS = 20;
    private static final long CLOSE_MILLIS = 2_000;

    /** Makes a staged checkpoint the committed one of its step; called on the writer's thread. */
    public interface Commit {
        void commit(long step, Path staged) throws IOException;
    }

    private final CheckpointStore store;
    private final Commit commit;
    private final Runnable alive;
    private final Duration patience;
    private final ExecutorService thread = Executors.newSingleThreadExecutor(task -> {
        Thread writer = new Thread(task, "kindling-checkpoint");
        writer.setDaemon(true);
        return writer;
    });
    private Future<?> inFlight;
    private long step;

    /**
     * @param alive asked during waits; throws when this rank must stop
     * @param patience how long one wait for a save in flight may take
     */
    public CheckpointWriter(CheckpointStore store, Commit commit, Runnable alive, Duration patience) {
        this.store = store;
        this.commit = commit;
        this.alive = alive;
        this.patience = patience;
    }

    /** Throws what a save has failed with, if one has; never waits. */
    public void check() throws IOException {
        if (inFlight != null && inFlight.isDone()) {
            finish();
        }
    }

    /** What is done with a snapshot, on the writer's thread. */
    public interface Saving {
        void run() throws IOException;
    }

    /** Starts to save the snapshot of a step, which nobody may change any more. Call {@link #finish} before taking it. */
    public void begin(long ofStep, Saving saving) throws IOException {
        finish();
        step = ofStep;
        inFlight = thread.submit(() -> {
            saving.run();
            return null;
        });
    }

    /** Stages a checkpoint and has it committed; called on the writer's thread. */
    public void write(Checkpoint checkpoint) throws IOException {
        commit.commit(checkpoint.state().step(), store.stage(checkpoint));
    }

    /**
     * Waits until the save in flight, if any, is committed.
     *
     * @throws IOException when it could not be written
     * @throws IllegalStateException when it could not be committed, or took longer than the patience
     */
    public void finish() throws IOException {
        finish(patience);
    }

    /** The same, with another patience. */
    public void finish(Duration limit) throws IOException {
        long end = System.nanoTime() + limit.toNanos();
        while (inFlight != null) {
            alive.run();
            try {
                inFlight.get(POLL_MILLIS, TimeUnit.MILLISECONDS);
                inFlight = null;
            } catch (TimeoutException e) {
                requireTime(end, limit);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                alive.run();
                throw new IllegalStateException("interrupted while the checkpoint of step " + step + " was saved", e);
            } catch (ExecutionException e) {
                inFlight = null;
                throw failure(e.getCause());
            }
        }
    }

    private void requireTime(long end, Duration limit) {
        if (System.nanoTime() - end > 0) {
            throw new IllegalStateException(String.format(
                    Locale.ROOT,
                    "the checkpoint of step %d was not written and committed within %d s; use faster storage for --out, or raise checkpoint.interval",
                    step,
                    limit.toSeconds()));
        }
    }

    /** What the writer's thread threw, to be thrown by this one. */
    private static IOException failure(Throwable cause) {
        if (cause instanceof RuntimeException unchecked) {
            throw unchecked;
        }
        if (cause instanceof Error error) {
            throw error;
        }
        return (IOException) cause;
    }

    /**
     * Ends the thread. After a failure of this rank a save in flight has a moment left, for it is progress; when the
     * rank must stop, the driver would refuse it anyway.
     */
    @Override
    public void close() {
        thread.shutdown();
        try {
            alive.run();
            thread.awaitTermination(CLOSE_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (FencedException e) {
            LOG.debug("the checkpoint of step {} is abandoned: {}", step, e.getMessage());
        } finally {
            thread.shutdownNow();
        }
    }
}
