package dev.kindling.monitor;

import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerEvent;
import org.apache.spark.util.kvstore.KVStore;

/** Puts training events into the store that the tab reads: of a live application, or of a history server's replay. */
final class TrainingListener extends SparkListener {
    private final KVStore store;
    private long count;

    TrainingListener(KVStore store) {
        this.store = store;
    }

    @Override
    public void onOtherEvent(SparkListenerEvent event) {
        if (event instanceof TrainingEvent training) {
            try {
                store.write(new StoredEvent(count++, training));
            } catch (Exception e) {
                throw new IllegalStateException("cannot keep a training event for the Spark UI: " + e, e);
            }
        }
    }
}
