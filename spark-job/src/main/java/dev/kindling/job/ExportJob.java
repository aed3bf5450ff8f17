package dev.kindling.job;

import dev.kindling.checkpoint.NamedCheckpoint;
import dev.kindling.checkpoint.WhichCheckpoint;
import dev.kindling.config.EnumText;
import dev.kindling.interop.WeightType;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.ExportOptions;
import dev.kindling.job.options.ExportOptions.Format;
import dev.kindling.pretrained.GgufExport;
import dev.kindling.pretrained.HuggingFaceExport;
import dev.kindling.pretrained.NanoGptExport;
import dev.kindling.run.RunPath;
import dev.kindling.run.StagedDirectory;
import dev.kindling.storage.Storage;
import dev.kindling.tensor.DType;
import java.io.IOException;
import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** Writes a checkpoint as a folder for another program, on this host and without Spark. Weights stream through it. */
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
            out.printf(Locale.ROOT, "for %s: %s%n", options.format().reader(), results.out());
        }
    }

    /**
     * Writes a run's best checkpoint to its folder of the format's name, and returns that; an earlier one goes when the new
     * one is whole.
     */
    static Path intoRun(Path run, Format format, Configuration hadoop, PrintStream out) throws IOException {
        Storage storage = Storage.of(run, hadoop);
        Path folder = new Path(run, EnumText.of(format));
        Path next = new Path(run, folder.getName() + ".next");
        storage.files().delete(next, true); // left by a training that was killed here
        try (StagedDirectory results = StagedDirectory.at(next.toString(), hadoop)) {
            ExportOptions options = new ExportOptions(
                    run.toString(), WhichCheckpoint.BEST, format, format.types().get(0), next.toString());
            new ExportJob(out).write(run, options, results, hadoop);
        }
        storage.files().delete(folder, true);
        storage.rename(next, folder);
        out.printf(Locale.ROOT, "for %s: %s%n", format.reader(), folder);
        return folder;
    }

    private void write(Path checkpoints, ExportOptions options, StagedDirectory results, Configuration hadoop)
            throws IOException {
        NamedCheckpoint checkpoint = NamedCheckpoint.of(checkpoints, options.which(), hadoop);
        Path directory = checkpoint.directory();
        List<String> notes =
                switch (options.format()) {
                    case HF ->
                        HuggingFaceExport.write(directory, safeTensorsType(options.type()), results.path(), hadoop);
                    case NANOGPT ->
                        NanoGptExport.write(directory, safeTensorsType(options.type()), results.path(), hadoop);
                    case GGUF -> GgufExport.write(directory, options.type(), results.path(), hadoop);
                };
        results.publish();
        checkpoint.choice().ifPresent(out::println);
        notes.forEach(out::println);
    }

    private static DType safeTensorsType(WeightType type) {
        return type == WeightType.BF16 ? DType.BF16 : DType.F32;
    }
}
