package dev.kindling.compare;

import dev.kindling.coordinate.RequestHandler;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.report.RankMeasurement;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.TreeMap;

/** The driver's side of a comparison: keeps what the ranks of the latest generation measured. */
public final class MeasurementCollector implements RequestHandler {
    private final PrintStream out;
    private final TreeMap<Integer, RankMeasurement> byRank = new TreeMap<>();
    private int generation;

    public MeasurementCollector(PrintStream out) {
        this.out = out;
    }

    @Override
    public synchronized byte[] handle(Generation from, int rank, String topic, byte[] payload) throws IOException {
        if (from.number() != generation) {
            generation = from.number();
            byRank.clear();
        }
        if (topic.equals(ComparisonBody.PROGRESS)) {
            out.println("  " + new String(payload, StandardCharsets.UTF_8));
        } else if (topic.equals(RankMeasurement.TOPIC)) {
            byRank.put(rank, RankMeasurement.decode(payload));
        } else {
            throw new IllegalArgumentException("no rank of a comparison reports '" + topic + "'");
        }
        return new byte[0];
    }

    /** Every rank's, in their order. */
    public synchronized List<RankMeasurement> measurements() {
        return List.copyOf(byRank.values());
    }
}
