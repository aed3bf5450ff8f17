package dev.kindling.monitor;

import org.apache.spark.util.kvstore.KVIndex;

/** An event in the store of a Spark UI, numbered in the order of arrival. */
public final class StoredEvent {
    /** The natural key. */
    @KVIndex
    public long id;

    public TrainingEvent event;

    /** For the store, which may live on disk. */
    StoredEvent() {}

    StoredEvent(long id, TrainingEvent event) {
        this.id = id;
        this.event = event;
    }
}
