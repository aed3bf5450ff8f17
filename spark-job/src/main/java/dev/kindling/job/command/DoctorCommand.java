package dev.kindling.job.command;

import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.ConfigOverrides;
import dev.kindling.job.options.DoctorOptions;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
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
    private Integer executors;

    @Option(names = "--device", paramLabel = "NAME", description = "auto, cpu or cuda (cluster.device).")
    private String device;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            defaultValue = "runs",
            description = "Directory in which runs are to be kept (${DEFAULT-VALUE}); made if it is missing.")
    private String out;

    private final Job<DoctorOptions> job;

    public DoctorCommand(Job<DoctorOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        ConfigOverrides overrides = new ConfigOverrides(
                List.of(),
                new ConfigOverrides.ShortForms(
                        Optional.ofNullable(executors),
                        OptionValues.given("--device", device, DeviceChoice.class),
                        Optional.empty(),
                        Optional.empty()));
        job.run(new DoctorOptions(out, overrides));
        return ExitCode.DONE;
    }
}
