package dev.kindling.job.options;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Options of {@code train}.
 *
 * @param config path, URI or built-in name of the configuration; absent for the one that fits the device
 * @param out the run directory, on any Hadoop file system
 * @param overrides {@code section.key=value} in order: {@code --set}, then the short forms of the cluster keys
 * @param verbose whether errors show their stack trace
 */
public record TrainOptions(
        Optional<String> config, String out, boolean resume, List<String> overrides, boolean verbose) {

    /** --executors, --device, --attention, --allreduce: short forms of the cluster keys; null where not given. */
    public record ClusterShortForms(String executors, String device, String attention, String allreduce) {
        public List<String> overrides() {
            List<String> overrides = new ArrayList<>();
            add(overrides, "executors", executors);
            add(overrides, "device", device);
            add(overrides, "attention", attention);
            add(overrides, "allreduce", allreduce);
            return overrides;
        }

        private static void add(List<String> overrides, String key, String value) {
            if (value != null) {
                overrides.add("cluster." + key + "=" + value);
            }
        }
    }
}
