package dev.kindling.job.command;

import dev.kindling.config.ClusterSection.AllReduceChoice;
import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.ConfigOverrides;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Options of commands that run a configuration. */
@Command
final class ConfigMixin {
    @Option(
            names = "--config",
            paramLabel = "FILE",
            description = "YAML configuration. Default: conf/shakespeare-char.yaml where a usable GPU is found, else"
                    + " conf/shakespeare-char-cpu.yaml.")
    private String config;

    @Option(names = "--device", paramLabel = "NAME", description = "auto, cpu or cuda (cluster.device).")
    private String device;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description =
                    "Override any configuration key, for example --set train.micro_batch=8. Repeatable; train --keys"
                            + " lists the keys with default, allowed values and meaning.")
    private List<String> set = new ArrayList<>();

    Optional<String> config() {
        return Optional.ofNullable(config);
    }

    /** --set and the short forms of cluster keys; null for those that a command does not have or was not given. */
    ConfigOverrides overrides(Integer executors, String attention, String allreduce) {
        return new ConfigOverrides(
                set,
                new ConfigOverrides.ShortForms(
                        Optional.ofNullable(executors),
                        OptionValues.given("--device", device, DeviceChoice.class),
                        OptionValues.given("--attention", attention, AttentionChoice.class),
                        OptionValues.given("--allreduce", allreduce, AllReduceChoice.class)));
    }
}
