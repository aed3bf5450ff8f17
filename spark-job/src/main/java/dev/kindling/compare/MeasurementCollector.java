package dev.kindling.compare;

import dev.kindling.coordinate.TopicHandlers;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.report.RankMeasurement;
import java.io.PrintStream;
import java.util.List;
import java.util.TreeMap;

/** The driver's side of a comparison: keeps what the ranks of the latest generation measured. Thread-safe. */
public final class MeasurementCollector {
    private final PrintStream out;
    private final TreeMap<Integer, RankMeasurement> byRank = new TreeMap<>();
    private int generation;

    /** @param out gets rank 0's lines of progress */
    public MeasurementCollector(PrintStream out) {
        this.out = out;
    }

    /** What the collector does with the ranks' messages. */
    public TopicHandlers handlers() {
        return new TopicHandlers()
                .on(ComparisonBody.PROGRESS, (from, rank, line) -> out.println("  " + line))
                .on(ComparisonBody.MEASUREMENT, this::add);
    }

    private synchronized void add(Generation from, int rank, RankMeasurement measurement) {
        if (from.number() != generation) {
            generation = from.number();
            byRank.clear();
        }
        byRank.put(rank, measurement);
    }

    /** Every rank's, in their order. */
    public synchronized List<RankMeasurement> measurements() {
        return List.copyOf(byRank.values());
    }
}
