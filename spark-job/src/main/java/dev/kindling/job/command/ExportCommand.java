package dev.kindling.job.command;

import dev.kindling.config.ConfigException;
import dev.kindling.job.options.ExportOptions;
import dev.kindling.tensor.DType;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "export", description = "Write a checkpoint as a folder that other programs open.", sortOptions = false)
public final class ExportCommand implements Callable<Integer> {
    @Mixin
    private ChosenMixin chosen;

    @Option(
            names = "--format",
            required = true,
            paramLabel = "NAME",
            description = "hf: Hugging Face's transformers (AutoModelForCausalLM, AutoTokenizer).")
    private String format;

    @Option(
            names = "--dtype",
            paramLabel = "NAME",
            defaultValue = "f32",
            description = "Of the weights: f32 (the default) or bf16.")
    private String dtype;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "Folder to make.")
    private String out;

    @Mixin
    private CommonMixin common;

    private final Job<ExportOptions> job;

    public ExportCommand(Job<ExportOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        job.run(new ExportOptions(
                chosen.checkpoint(),
                chosen.which(),
                OptionValues.of("--format", format, ExportOptions.Format.class),
                type(),
                out,
                common.verbose()));
        return ExitCode.DONE;
    }

    private DType type() {
        return switch (dtype) {
            case "f32" -> DType.F32;
            case "bf16" -> DType.BF16;
            default ->
                throw new ConfigException(
                        String.format(Locale.ROOT, "--dtype is '%s', but it must be f32 or bf16", dtype));
        };
    }
}
