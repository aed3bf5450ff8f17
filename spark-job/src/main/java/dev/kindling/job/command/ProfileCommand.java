package dev.kindling.job.command;

import dev.kindling.job.options.ProfileOptions;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "profile",
        description = "Time the operators of a training step on this machine's device; random tokens. Before come steps"
                + " that are not timed: at least 3, and 5 seconds of them, in which the JVM compiles its code.",
        sortOptions = false)
public final class ProfileCommand implements Callable<Integer> {
    @Mixin
    private ConfigMixin configuration;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "DIR",
            description = "Directory to make, for trace.json (chrome://tracing, Perfetto) and operators.json.")
    private String out;

    @Option(names = "--steps", paramLabel = "N", defaultValue = "5", description = "Timed steps (${DEFAULT-VALUE}).")
    private int steps;

    @Option(
            names = "--attention",
            paramLabel = "NAME",
            description = "auto, math, flash or efficient (cluster.attention).")
    private String attention;

    private final Job<ProfileOptions> job;

    public ProfileCommand(Job<ProfileOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        OptionValues.requireWithin(1, OptionValues.MOST, "--steps", steps);
        job.run(new ProfileOptions(configuration.config(), out, steps, configuration.overrides(null, attention, null)));
        return ExitCode.DONE;
    }
}
