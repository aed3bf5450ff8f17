package dev.kindling.monitor;

import java.util.List;
import org.apache.spark.SparkConf;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.status.AppHistoryServerPlugin;
import org.apache.spark.status.ElementTrackingStore;
import org.apache.spark.ui.SparkUI;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/** Shows the tab in a history server that has kindling.jar on its class path; found by {@code META-INF/services}. */
public final class TrainingHistoryPlugin implements AppHistoryServerPlugin {
    private static final int LAST = 1000;

    @Override
    public Seq<SparkListener> createListeners(SparkConf conf, ElementTrackingStore store) {
        return CollectionConverters.asScala(List.<SparkListener>of(new TrainingListener(store)))
                .toSeq();
    }

    @Override
    public void setupUI(SparkUI ui) {
        if (!TrainingRun.readAll(ui.store().store()).isEmpty()) {
            new TrainingTab(ui);
        }
    }

    @Override
    public int displayOrder() {
        return LAST;
    }
}
