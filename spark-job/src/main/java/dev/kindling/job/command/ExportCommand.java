package dev.kindling.job.command;

import dev.kindling.config.ConfigException;
import dev.kindling.config.EnumText;
import dev.kindling.interop.WeightType;
import dev.kindling.job.options.ExportOptions;
import dev.kindling.job.options.ExportOptions.Format;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
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
            description =
                    "hf: Hugging Face's transformers (AutoModelForCausalLM, AutoTokenizer); nanogpt: the state dict"
                            + " of nanoGPT's GPT, as safetensors; gguf: llama.cpp.")
    private String format;

    @Option(
            names = "--dtype",
            paramLabel = "NAME",
            description = "Of the weights: f32 (the default) or bf16; for gguf f16 (the default), q8_0 or f32.")
    private String dtype;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "Folder to make.")
    private String out;

    private final Job<ExportOptions> job;

    public ExportCommand(Job<ExportOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        Format asked = OptionValues.of("--format", format, Format.class);
        job.run(new ExportOptions(chosen.checkpoint(), chosen.which(), asked, type(asked), out));
        return ExitCode.DONE;
    }

    private WeightType type(Format asked) {
        if (dtype == null) {
            return asked.types().get(0);
        }
        return asked.types().stream()
                .filter(type -> EnumText.of(type).equals(dtype))
                .findFirst()
                .orElseThrow(() -> new ConfigException(
                        "--dtype is '%s', but for --format %s it must be %s",
                        dtype, format, asked.types().stream().map(EnumText::of).collect(Collectors.joining(" or "))));
    }
}
