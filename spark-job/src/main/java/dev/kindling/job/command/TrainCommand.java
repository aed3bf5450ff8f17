package dev.kindling.job.command;

import dev.kindling.config.ConfigException;
import dev.kindling.config.ConfigKey;
import dev.kindling.job.options.ExportOptions;
import dev.kindling.job.options.TrainOptions;
import dev.kindling.run.Resume;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "train",
        description = "Train a GPT on the executors of a Spark cluster, then print a sample.",
        sortOptions = false)
public final class TrainCommand implements Callable<Integer> {
    private static final DateTimeFormatter TIMESTAMP = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss", Locale.ROOT);

    @Mixin
    private ConfigMixin configuration;

    @Option(names = "--out", paramLabel = "DIR", description = "Run directory. Default: runs/TIMESTAMP.")
    private String out;

    @Option(
            names = "--resume",
            arity = "0..1",
            paramLabel = "auto",
            fallbackValue = "yes",
            defaultValue = "no",
            description = "Go on from the newest checkpoint in --out, as the same training: model, data,"
                    + " train.global_batch, train.seed and train.init_from stay; steps, schedule, optimizer, intervals,"
                    + " precision and cluster may change. With auto: go on if there is a run, else begin one.")
    private String resume;

    @Option(names = "--executors", paramLabel = "N", description = "Executors, one rank each (cluster.executors).")
    private Integer executors;

    @Option(
            names = "--attention",
            paramLabel = "NAME",
            description = "auto, math, flash or efficient (cluster.attention).")
    private String attention;

    @Option(
            names = "--allreduce",
            paramLabel = "NAME",
            description = "auto, driver, ring, nccl or peer (cluster.allreduce).")
    private String allreduce;

    @Option(
            names = "--export",
            paramLabel = "NAME",
            description =
                    "At the end, write the model as the export command does, to a folder of that name in --out: hf,"
                            + " nanogpt or gguf.")
    private String export;

    @Mixin
    private TrackingMixin tracking;

    @Option(names = "--keys", description = "Print every configuration key with default, allowed values and meaning.")
    private boolean keys;

    @Spec
    private CommandSpec spec;

    private final Job<TrainOptions> job;
    private final Clock clock;

    public TrainCommand(Job<TrainOptions> job, Clock clock) {
        this.job = job;
        this.clock = clock;
    }

    @Override
    public Integer call() throws Exception {
        if (keys) {
            spec.commandLine().getOut().print(ConfigKey.table());
            spec.commandLine().getOut().flush();
            return ExitCode.DONE;
        }
        Resume chosen = resume();
        if (chosen != Resume.NO && out == null) {
            throw new ConfigException("--resume needs to know which run; give its directory with --out DIR");
        }
        String directory = out == null ? "runs/" + TIMESTAMP.format(LocalDateTime.now(clock)) : out;
        job.run(new TrainOptions(
                configuration.config(),
                directory,
                chosen,
                configuration.overrides(executors, attention, allreduce),
                Optional.ofNullable(export).map(name -> OptionValues.of("--export", name, ExportOptions.Format.class)),
                tracking.tracking(),
                spec.commandLine().getParseResult().hasMatchedOption(CommonMixin.VERBOSE)));
        return ExitCode.DONE;
    }

    private Resume resume() {
        return switch (resume) {
            case "no" -> Resume.NO;
            case "yes" -> Resume.YES;
            case "auto" -> Resume.AUTO;
            default ->
                throw new ConfigException(
                        "--resume is '" + resume + "', but it takes no value, or auto; correct or drop it");
        };
    }
}
