package dev.kindling.monitor;

import org.apache.spark.ui.SparkUI;
import org.apache.spark.ui.SparkUITab;

/** The tab "Training" of a Spark UI, live or in a history server. */
final class TrainingTab extends SparkUITab {
    static final String PREFIX = "training";

    /** Adds the tab to {@code ui}. */
    TrainingTab(SparkUI ui) {
        super(ui, PREFIX);
        attachPage(new TrainingPage(this, ui.store().store()));
        ui.attachTab(this);
    }

    @Override
    public String name() {
        return "Training";
    }
}
