package dev.kindling.job;

import dev.kindling.train.ConfigException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "profile",
        description = "Time the operators of a training step on this machine's device; random tokens.",
        sortOptions = false)
final class ProfileCommand implements Callable<Integer> {
    @Option(
            names = "--config",
            paramLabel = "FILE",
            description = "YAML configuration. Default: conf/shakespeare-char.yaml on a GPU, else"
                    + " conf/shakespeare-char-cpu.yaml.")
    private String config;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "DIR",
            description = "Directory to make, for trace.json (chrome://tracing, Perfetto) and operators.json.")
    private String out;

    @Option(names = "--steps", paramLabel = "N", defaultValue = "5", description = "Timed steps (${DEFAULT-VALUE}).")
    private int steps;

    @Option(names = "--device", paramLabel = "NAME", description = "auto, cpu or cuda (cluster.device).")
    private String device;

    @Option(
            names = "--attention",
            paramLabel = "NAME",
            description = "auto, math, flash or efficient (cluster.attention).")
    private String attention;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description = "Override any configuration key, for example --set train.micro_batch=8. Repeatable.")
    private List<String> set = new ArrayList<>();

    @Mixin
    private CommonOptions common;

    private final Job<ProfileOptions> job;

    ProfileCommand(Job<ProfileOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        if (steps < 1) {
            throw new ConfigException("--steps is " + steps + "; set it to 1 or more");
        }
        List<String> overrides = new ArrayList<>(set);
        overrides.addAll(new TrainOptions.ClusterShortForms(null, device, attention, null).overrides());
        job.run(new ProfileOptions(Optional.ofNullable(config), out, steps, List.copyOf(overrides), common.verbose()));
        return Kindling.DONE;
    }
}
