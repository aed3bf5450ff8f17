package dev.kindling.evaluate;

import java.util.TreeSet;
import org.apache.spark.util.AccumulatorV2;

/**
 * The distinct names that tasks report. Spark keeps the whole value with each task that ends, so a list with an entry for every
 * task would grow with the square of their number. Thread-safe, since an executor's heartbeat reads it while the task adds.
 */
final class DistinctNames extends AccumulatorV2<String, String> {
    private static final long serialVersionUID = 1L;

    private final TreeSet<String> names = new TreeSet<>();

    @Override
    public boolean isZero() {
        synchronized (names) {
            return names.isEmpty();
        }
    }

    @Override
    public DistinctNames copy() {
        DistinctNames copy = new DistinctNames();
        synchronized (names) {
            copy.names.addAll(names);
        }
        return copy;
    }

    @Override
    public void reset() {
        synchronized (names) {
            names.clear();
        }
    }

    @Override
    public void add(String name) {
        synchronized (names) {
            names.add(name);
        }
    }

    @Override
    public void merge(AccumulatorV2<String, String> other) {
        TreeSet<String> theirs = ((DistinctNames) other).copy().names;
        synchronized (names) {
            names.addAll(theirs);
        }
    }

    /** In their order, "a; b". */
    @Override
    public String value() {
        synchronized (names) {
            return String.join("; ", names);
        }
    }
}
