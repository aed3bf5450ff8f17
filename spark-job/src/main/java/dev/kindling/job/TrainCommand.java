package dev.kindling.job;

import dev.kindling.train.ConfigException;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "train",
        description = "Train a GPT on the executors of a Spark cluster, then print a sample.",
        sortOptions = false)
final class TrainCommand implements Callable<Integer> {
    private static final DateTimeFormatter TIMESTAMP = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss", Locale.ROOT);

    @Option(
            names = "--config",
            paramLabel = "FILE",
            description = "YAML configuration. Default: conf/shakespeare-char.yaml where a usable GPU is found, else"
                    + " conf/shakespeare-char-cpu.yaml.")
    private String config;

    @Option(names = "--out", paramLabel = "DIR", description = "Run directory. Default: runs/TIMESTAMP.")
    private String out;

    @Option(names = "--resume", description = "Go on from the latest checkpoint in --out.")
    private boolean resume;

    @Option(names = "--executors", paramLabel = "N", description = "Executors, one rank each (cluster.executors).")
    private String executors;

    @Option(names = "--device", paramLabel = "NAME", description = "auto, cpu or cuda (cluster.device).")
    private String device;

    @Option(
            names = "--attention",
            paramLabel = "NAME",
            description = "auto, math, flash or efficient (cluster.attention).")
    private String attention;

    @Option(names = "--allreduce", paramLabel = "NAME", description = "auto, driver, ring or nccl (cluster.allreduce).")
    private String allreduce;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description = "Override any configuration key, for example --set train.max_steps=500. Repeatable.")
    private List<String> set = new ArrayList<>();

    @Mixin
    private CommonOptions common;

    private final Job<TrainOptions> job;
    private final Clock clock;

    TrainCommand(Job<TrainOptions> job, Clock clock) {
        this.job = job;
        this.clock = clock;
    }

    @Override
    public Integer call() throws Exception {
        if (resume && out == null) {
            throw new ConfigException("--resume needs to know which run; give its directory with --out DIR");
        }
        List<String> overrides = new ArrayList<>(set);
        overrides.addAll(new TrainOptions.ClusterShortForms(executors, device, attention, allreduce).overrides());
        String directory = out == null ? "runs/" + TIMESTAMP.format(LocalDateTime.now(clock)) : out;
        job.run(new TrainOptions(
                Optional.ofNullable(config), directory, resume, List.copyOf(overrides), common.verbose()));
        return Kindling.DONE;
    }
}
