package dev.kindling.job.command;

import dev.kindling.job.options.DoctorOptions;
import dev.kindling.job.options.TrainOptions;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "doctor",
        description = "Check executors, devices, libraries, network and file system, and say what to fix.",
        sortOptions = false)
public final class DoctorCommand implements Callable<Integer> {
    @Option(
            names = "--executors",
            paramLabel = "N",
            description = "Executors to check, one rank each (one a GPU of an embedded cluster, else 2).")
    private String executors;

    @Option(names = "--device", paramLabel = "NAME", description = "auto, cpu or cuda (cluster.device).")
    private String device;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            defaultValue = "runs",
            description = "Directory in which runs are to be kept (${DEFAULT-VALUE}); made if it is missing.")
    private String out;

    @Mixin
    private CommonMixin common;

    private final Job<DoctorOptions> job;

    public DoctorCommand(Job<DoctorOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        List<String> overrides = new TrainOptions.ClusterShortForms(executors, device, null, null).overrides();
        job.run(new DoctorOptions(out, List.copyOf(overrides), common.verbose()));
        return ExitCode.DONE;
    }
}
