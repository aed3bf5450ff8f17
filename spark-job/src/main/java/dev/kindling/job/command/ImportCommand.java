package dev.kindling.job.command;

import dev.kindling.job.options.ImportOptions;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "import",
        description = "Make a run directory of a GPT-2 that Hugging Face's transformers has saved.",
        sortOptions = false)
public final class ImportCommand implements Callable<Integer> {
    @Option(
            names = "--from",
            required = true,
            paramLabel = "DIR",
            description = "Folder with config.json, model.safetensors (or shards) and tokenizer.json"
                    + " (or vocab.json and merges.txt).")
    private String from;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "Run directory to make.")
    private String out;

    private final Job<ImportOptions> job;

    public ImportCommand(Job<ImportOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        job.run(new ImportOptions(from, out));
        return ExitCode.DONE;
    }
}
