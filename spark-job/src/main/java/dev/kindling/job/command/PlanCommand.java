package dev.kindling.job.command;

import dev.kindling.job.options.PlanOptions;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "plan",
        description =
                "Print the device memory that a rank's training takes, part by part, and the largest micro-batch that"
                        + " fits. Runs nothing. Exit code 1 where the configuration does not fit.",
        sortOptions = false)
public final class PlanCommand implements Callable<Integer> {
    @Mixin
    private ConfigMixin configuration;

    @Option(
            names = "--device-memory",
            paramLabel = "SIZE",
            description =
                    "Memory of a rank's device, e.g. 80g (GiB). Default: that of this machine's first GPU or, without"
                            + " one, the heap that an executor gets.")
    private String deviceMemory;

    @Option(names = "--executors", paramLabel = "N", description = "Executors, one rank each (cluster.executors).")
    private Integer executors;

    @Option(
            names = "--attention",
            paramLabel = "NAME",
            description = "auto, math, flash or efficient (cluster.attention); auto is planned as a fused backend.")
    private String attention;

    private final Job<PlanOptions> job;

    public PlanCommand(Job<PlanOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        job.run(new PlanOptions(
                configuration.config(),
                Optional.ofNullable(deviceMemory),
                configuration.overrides(executors, attention, null)));
        return ExitCode.DONE;
    }
}
