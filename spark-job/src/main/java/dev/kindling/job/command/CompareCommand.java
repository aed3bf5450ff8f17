package dev.kindling.job.command;

import dev.kindling.attention.AttentionBackend;
import dev.kindling.config.ClusterSection;
import dev.kindling.config.ConfigException;
import dev.kindling.job.options.CompareOptions;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "compare",
        description = "Time the training step and forward with each attention backend, on all executors at once; table,"
                + " report.json and report.html.",
        sortOptions = false)
public final class CompareCommand implements Callable<Integer> {
    @Mixin
    private ConfigMixin configuration;

    @Option(
            names = "--backends",
            split = ",",
            paramLabel = "NAME",
            description = "Of math, flash, efficient (all). The first that runs is what others are compared with.")
    private List<String> backends = new ArrayList<>(List.of("math", "flash", "efficient"));

    @Option(
            names = "--lengths",
            split = ",",
            paramLabel = "T",
            description = "Sequence lengths, for example 256,512,1024 (model.block_size).")
    private List<Integer> lengths = new ArrayList<>();

    @Option(
            names = "--executors",
            split = ",",
            paramLabel = "N",
            description = "Numbers of executors, for example 1,2 (cluster.executors).")
    private List<Integer> executors = new ArrayList<>();

    @Option(
            names = "--compile",
            split = ",",
            paramLabel = "BOOL",
            description = "true,false compares captured steps with eager ones on a GPU (train.compile).")
    private List<String> compile = new ArrayList<>();

    @Option(
            names = "--steps",
            paramLabel = "N",
            defaultValue = "20",
            description = "Steps of a backend in a round (${DEFAULT-VALUE}).")
    private int steps;

    @Option(
            names = "--rounds",
            paramLabel = "N",
            defaultValue = "6",
            description = "Timed rounds, in which backends take turns; intervals come from their spread"
                    + " (${DEFAULT-VALUE}).")
    private int rounds;

    @Option(
            names = "--warm-up",
            paramLabel = "N",
            defaultValue = "20",
            description = "Untimed steps of each backend before; their losses are compared (${DEFAULT-VALUE}).")
    private int warmUp;

    @Option(
            names = "--allreduce",
            paramLabel = "NAME",
            description = "auto, driver, ring, nccl or peer (cluster.allreduce).")
    private String allreduce;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "Directory to make, for the report.")
    private String out;

    private final Job<CompareOptions> job;

    public CompareCommand(Job<CompareOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        OptionValues.requireWithin(1, OptionValues.MOST, "--steps", steps);
        OptionValues.requireWithin(2, OptionValues.MOST, "--rounds", rounds);
        OptionValues.requireWithin(2, OptionValues.MOST, "--warm-up", warmUp);
        lengths.forEach(each -> OptionValues.requireWithin(1, Integer.MAX_VALUE, "--lengths", each));
        executors.forEach(each -> OptionValues.requireWithin(1, ClusterSection.MOST_EXECUTORS, "--executors", each));
        job.run(new CompareOptions(
                configuration.config(),
                out,
                distinct(backends.stream()
                        .map(name -> OptionValues.of("--backends", name, AttentionBackend.Kind.class))
                        .toList()),
                new CompareOptions.Series(
                        distinct(lengths),
                        distinct(executors),
                        distinct(compile.stream().map(CompareCommand::bool).toList())),
                new CompareOptions.Timing(warmUp, rounds, steps),
                configuration.overrides(null, null, allreduce)));
        return ExitCode.DONE;
    }

    private static boolean bool(String value) {
        return switch (value.strip()) {
            case "true" -> true;
            case "false" -> false;
            default ->
                throw new ConfigException("--compile is '" + value + "', but it must be true, false or true,false");
        };
    }

    private static <T> List<T> distinct(List<T> values) {
        return List.copyOf(new LinkedHashSet<>(values));
    }
}
