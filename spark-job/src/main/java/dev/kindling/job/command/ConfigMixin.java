package dev.kindling.job.command;

import dev.kindling.job.options.TrainOptions;
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
            description = "Override any configuration key, for example --set train.micro_batch=8. Repeatable.")
    private List<String> set = new ArrayList<>();

    Optional<String> config() {
        return Optional.ofNullable(config);
    }

    /** --set, then short forms of the cluster keys, null where a command has or got none. */
    List<String> overrides(String executors, String attention, String allreduce) {
        List<String> overrides = new ArrayList<>(set);
        overrides.addAll(new TrainOptions.ClusterShortForms(executors, device, attention, allreduce).overrides());
        return List.copyOf(overrides);
    }
}
