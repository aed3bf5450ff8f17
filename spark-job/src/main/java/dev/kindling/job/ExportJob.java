package dev.kindling.job;

import dev.kindling.checkpoint.NamedCheckpoint;
import dev.kindling.checkpoint.WhichCheckpoint;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.ExportOptions;
import dev.kindling.job.options.ExportOptions.Format;
import dev.kindling.pretrained.HuggingFaceExport;
import dev.kindling.run.RunPath;
import dev.kindling.run.StagedDirectory;
import dev.kindling.storage.Storage;
import dev.kindling.tensor.DType;
import java.io.IOException;
import java.io.PrintStream;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** Writes a checkpoint as a Hugging Face folder, on this host and without Spark. Weights stream through it. */
final class ExportJob implements Job<ExportOptions> {
    private final PrintStream out;

    ExportJob(PrintStream out) {
        this.out = out;
    }

    @Override
    public void run(ExportOptions options) throws IOException {
        Configuration hadoop = Storage.settings();
        try (StagedDirectory results = StagedDirectory.at(options.out(), hadoop)) {
            write(RunPath.absolute(options.checkpoint(), hadoop), options, results, hadoop);
            out.println("for transformers: " + results.out());
        }
    }

    /** Writes a run's best checkpoint to its folder {@code hf}; an earlier one goes when the new one is whole. */
    static void intoRun(Path run, Configuration hadoop, PrintStream out) throws IOException {
        Storage storage = Storage.of(run, hadoop);
        Path folder = new Path(run, "hf");
        Path next = new Path(run, "hf.next");
        storage.files().delete(next, true); // left by a training that was killed here
        try (StagedDirectory results = StagedDirectory.at(next.toString(), hadoop)) {
            ExportOptions options = new ExportOptions(
                    run.toString(), WhichCheckpoint.BEST, Format.HF, DType.F32, next.toString(), false);
            new ExportJob(out).write(run, options, results, hadoop);
        }
        storage.files().delete(folder, true);
        storage.rename(next, folder);
        out.println("for transformers: " + folder);
    }

    private void write(Path checkpoints, ExportOptions options, StagedDirectory results, Configuration hadoop)
            throws IOException {
        NamedCheckpoint checkpoint = NamedCheckpoint.of(checkpoints, options.which(), hadoop);
        List<String> notes = HuggingFaceExport.write(checkpoint.directory(), options.type(), results.path(), hadoop);
        results.publish();
        checkpoint.choice().ifPresent(out::println);
        notes.forEach(out::println);
    }
}
