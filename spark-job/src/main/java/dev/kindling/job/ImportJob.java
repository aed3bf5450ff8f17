package dev.kindling.job;

import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.config.TrainConfig;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.ImportOptions;
import dev.kindling.model.GptConfigs;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.pretrained.PretrainedModel;
import dev.kindling.run.RunPath;
import dev.kindling.run.StagedDirectory;
import dev.kindling.storage.PathException;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.PrintStream;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** Makes a run directory of a Hugging Face folder, on this host and without Spark. Weights stream through it. */
final class ImportJob implements Job<ImportOptions> {
    private final PrintStream out;

    ImportJob(PrintStream out) {
        this.out = out;
    }

    @Override
    public void run(ImportOptions options) throws IOException {
        Configuration hadoop = Storage.settings();
        Path from = RunPath.absolute(options.from(), hadoop);
        if (!Storage.of(from, hadoop).files().exists(from)) {
            throw new PathException("--from %s does not exist; give a folder of transformers", from);
        }
        if (!PretrainedModel.isAt(from, hadoop)) {
            throw new PathException(String.format(
                    Locale.ROOT,
                    "--from %s holds no config.json, so it is no folder of transformers%s; give the folder that save_pretrained or a download has left",
                    from,
                    Storage.of(from, hadoop).files().exists(new Path(from, "config.yaml"))
                            ? " but a run, which needs no import"
                            : ""));
        }
        try (StagedDirectory results = StagedDirectory.at(options.out(), hadoop)) {
            PretrainedModel pretrained = PretrainedModel.open(from, hadoop);
            TrainConfig config = pretrained.config();
            CheckpointStore store =
                    new CheckpointStore(Storage.of(results.path(), hadoop), results.path("checkpoints"), 1);
            pretrained.save(config, store);
            results.write("config.yaml", config.toYaml());
            results.publish();
            pretrained.model().config().notes().forEach(out::println);
            if (!config.model().bias()) {
                out.println("all biases are zero: the model has none (model.bias: false)");
            }
            out.printf(
                    Locale.ROOT,
                    "imported %,d parameters, context %,d, tokenizer %s%nrun directory: %s%n",
                    Parameters.count(
                            GptConfigs.of(config.model(), pretrained.tokenizer().vocabSize())),
                    config.model().blockSize(),
                    pretrained.tokenizer(),
                    results.out());
        }
    }
}
