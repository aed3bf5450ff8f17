package dev.kindling.config;

import dev.kindling.config.ClusterSection.AllReduceChoice;
import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.ClusterSection.DeviceChoice;
import java.util.List;
import java.util.Optional;

/**
 * What a command line changes in a configuration.
 *
 * @param set {@code section.key=value}, as {@code --set} takes them; later ones win
 * @param shortForms the options that are short forms of cluster keys; they win over {@code set}
 */
public record ConfigOverrides(List<String> set, ShortForms shortForms) {
    public static final ConfigOverrides NONE = new ConfigOverrides(List.of(), ShortForms.NONE);

    public ConfigOverrides {
        set = List.copyOf(set);
    }

    /** The same, with {@code --executors}. */
    public ConfigOverrides withExecutors(int executors) {
        return new ConfigOverrides(
                set,
                new ShortForms(
                        Optional.of(executors), shortForms.device(), shortForms.attention(), shortForms.allreduce()));
    }

    /** {@code --executors}, {@code --device}, {@code --attention} and {@code --allreduce}; empty where not given. */
    public record ShortForms(
            Optional<Integer> executors,
            Optional<DeviceChoice> device,
            Optional<AttentionChoice> attention,
            Optional<AllReduceChoice> allreduce) {
        static final ShortForms NONE =
                new ShortForms(Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty());

        ClusterSection applyTo(ClusterSection cluster) {
            ClusterSection changed = executors.map(cluster::withExecutors).orElse(cluster);
            changed = device.map(changed::withDevice).orElse(changed);
            changed = attention.map(changed::withAttention).orElse(changed);
            return allreduce.map(changed::withAllreduce).orElse(changed);
        }
    }
}
