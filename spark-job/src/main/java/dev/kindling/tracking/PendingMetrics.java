package dev.kindling.tracking;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Locale;

/** Values that the server has not taken yet, up to a maximum; the oldest are dropped first. Thread-safe. */
final class PendingMetrics {
    /** MLflow's own limit of values in a batch. */
    static final int BATCH = 1000;

    private final int most;
    private final Deque<MetricValue> values = new ArrayDeque<>();
    private boolean ended;
    private long dropped;

    /** @param most values to hold */
    PendingMetrics(int most) {
        this.most = most;
    }

    synchronized void add(List<MetricValue> more) {
        values.addAll(more);
        while (values.size() > most) {
            values.removeFirst();
            dropped++;
        }
        if (values.size() >= BATCH) {
            notifyAll();
        }
    }

    /** Nothing will be added any more. */
    synchronized void end() {
        ended = true;
        notifyAll();
    }

    synchronized boolean ended() {
        return ended;
    }

    /**
     * Waits for a batch, for {@code millis} at most; ends at once when nothing will be added.
     *
     * @param whole whether a whole batch is worth sending earlier
     */
    synchronized void await(long millis, boolean whole) throws InterruptedException {
        long until = System.nanoTime() + millis * 1_000_000L;
        while (!ended && !(whole && values.size() >= BATCH)) {
            long left = (until - System.nanoTime()) / 1_000_000L;
            if (left <= 0) {
                return;
            }
            wait(left);
        }
    }

    /** Takes the oldest values, a batch at most. */
    synchronized List<MetricValue> take() {
        List<MetricValue> batch = new ArrayList<>();
        while (batch.size() < BATCH && !values.isEmpty()) {
            batch.add(values.removeFirst());
        }
        return batch;
    }

    /** Puts back a batch that was not sent. */
    synchronized void putBack(List<MetricValue> batch) {
        for (int i = batch.size() - 1; i >= 0; i--) {
            values.addFirst(batch.get(i));
        }
    }

    /** What the server lacks, as text; empty if nothing. */
    synchronized String missing() {
        if (values.isEmpty() && dropped == 0) {
            return "";
        }
        String last = values.isEmpty()
                ? ""
                : String.format(
                        Locale.ROOT,
                        " (of steps %d to %d)",
                        values.getFirst().step(),
                        values.getLast().step());
        return String.format(Locale.ROOT, "%,d metric values%s", values.size() + dropped, last);
    }
}
