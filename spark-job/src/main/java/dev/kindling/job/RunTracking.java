package dev.kindling.job;

import dev.kindling.config.TrainConfig;
import dev.kindling.job.options.TrackingOptions;
import dev.kindling.job.options.TrainOptions;
import dev.kindling.run.RunDirectory;
import dev.kindling.storage.Storage;
import dev.kindling.tracking.MlflowTracking;
import dev.kindling.tracking.TrackedRun;
import java.util.Map;
import java.util.TreeMap;

/** A training's run on the tracking server that its options name. */
final class RunTracking {
    private RunTracking() {}

    /** Starts to report the run to its server; null where the options name none. */
    static MlflowTracking begin(TrainOptions options, RunDirectory run, TrainConfig config, boolean resumed) {
        if (options.tracking().isEmpty()) {
            return null;
        }
        TrackingOptions asked = options.tracking().get();
        TrackedRun tracked = new TrackedRun(
                asked.server(), asked.experiment(), run.path().getName(), run.toString(), params(config), resumed);
        return MlflowTracking.begin(tracked, Storage.settings());
    }

    /** The configuration's values by their keys, such as {@code train.lr}. */
    private static Map<String, String> params(TrainConfig config) {
        Map<String, String> params = new TreeMap<>();
        config.toTree()
                .properties()
                .forEach(section -> section.getValue()
                        .properties()
                        .forEach(key -> params.put(
                                section.getKey() + "." + key.getKey(),
                                key.getValue().asText())));
        return params;
    }
}
