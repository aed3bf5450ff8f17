package dev.kindling.evaluate;

import java.io.Serializable;
import org.apache.spark.SparkContext;
import org.apache.spark.util.LongAccumulator;

/**
 * What tasks report to the driver besides results: the devices they ran on, and how fast. Work that Spark runs again is
 * counted again.
 */
public final class Measurements implements Serializable {
    private static final long serialVersionUID = 1L;

    private final LongAccumulator positions;
    private final LongAccumulator nanos;
    private final DistinctNames devices = new DistinctNames();
    private final DistinctNames attention = new DistinctNames();

    public Measurements(SparkContext spark) {
        positions = spark.longAccumulator("token positions computed");
        nanos = spark.longAccumulator("device nanoseconds");
        spark.register(devices, "devices");
        spark.register(attention, "attention");
    }

    void record(LoadedScorer model, ScoringPipeline scorer) {
        positions.add(scorer.positions());
        nanos.add(scorer.nanos());
        devices.add(model.description());
        attention.add(model.attention());
    }

    /** Token positions computed, context included. */
    public long positions() {
        return positions.value();
    }

    /**
     * Token positions per second and device, from the device's first batch to its last, waits for text included; NaN if
     * there were none.
     */
    public double positionsPerDeviceSecond() {
        return positions() / (nanos.value() / 1e9);
    }

    /** The devices that worked. */
    public String devices() {
        return devices.value();
    }

    /** The attention backends that ran. */
    public String attention() {
        return attention.value();
    }
}
