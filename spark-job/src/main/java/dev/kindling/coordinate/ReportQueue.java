package dev.kindling.coordinate;

import dev.kindling.coordinate.message.FencedException;
import dev.kindling.coordinate.message.Topic;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * A rank's reports on their way to the driver: in order, several in a message, sent by a thread of its own, so that no
 * step waits for the driver. Thread-safe.
 */
final class ReportQueue implements AutoCloseable {
    private static final long SHORTEST_PERIOD_MILLIS = 200;
    private static final int CAPACITY = 1000;

    private final Consumer<List<Topic.Value>> carrier;
    private final BlockingQueue<Topic.Value> waiting = new LinkedBlockingQueue<>(CAPACITY);
    private final ReentrantLock sending = new ReentrantLock();
    private final ScheduledExecutorService thread;
    private volatile Throwable failure;

    /**
     * Sends what is added from now on.
     *
     * @param periodMillis between two messages
     * @param carrier takes reports to the driver, and throws when that failed
     */
    @SuppressWarnings("FutureReturnValueIgnored") // send keeps its failure, for add and flush to throw
    ReportQueue(String threadName, long periodMillis, Consumer<List<Topic.Value>> carrier) {
        this.carrier = carrier;
        thread = Executors.newSingleThreadScheduledExecutor(task -> {
            Thread sender = new Thread(task, threadName);
            sender.setDaemon(true);
            return sender;
        });
        thread.scheduleWithFixedDelay(this::send, periodMillis, periodMillis, TimeUnit.MILLISECONDS);
    }

    /** Between two messages of a rank: 0.2 s, and of more than two hundred ranks as long as gives the driver 1,000 a second. */
    static long periodMillis(int worldSize) {
        return Math.max(SHORTEST_PERIOD_MILLIS, worldSize);
    }

    /** Throws what an earlier report has failed with. When too many wait, this one waits for the driver. */
    void add(Topic.Value report) {
        requireSound();
        while (!waiting.offer(report)) {
            flush();
        }
    }

    /** Returns when the driver has all reports. Throws what one of them has failed with. */
    void flush() {
        requireSound();
        try {
            sending.lockInterruptibly();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FencedException("interrupted while reports were on their way to the driver");
        }
        try {
            List<Topic.Value> batch = new ArrayList<>();
            waiting.drainTo(batch);
            if (!batch.isEmpty()) {
                carrier.accept(batch);
            }
        } finally {
            sending.unlock();
        }
    }

    private void send() {
        try {
            flush();
        } catch (RuntimeException | Error e) {
            failure = e;
            throw e; // ends the schedule
        }
    }

    private void requireSound() {
        if (failure instanceof Error error) {
            throw error;
        }
        if (failure != null) {
            throw (RuntimeException) failure;
        }
    }

    /** Drops what has not been sent. */
    @Override
    public void close() {
        thread.shutdownNow();
    }
}
