package dev.kindling.job.command;

import static dev.kindling.config.ConfigException.check;

import dev.kindling.job.options.EvaluateOptions;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "evaluate",
        description = "Score documents with a trained model: loss, perplexity and bits per byte of each, and in total;"
                + " or the items of a task: accuracy.",
        sortOptions = false)
public final class EvaluateCommand implements Callable<Integer> {
    @Mixin
    private CheckpointMixin model;

    @Option(
            names = "--data",
            paramLabel = "PATH",
            description =
                    "A text file or a folder of them, each one document; or a Parquet or JSON lines table, each row"
                            + " one (with --column).")
    private String data;

    @Option(names = "--column", paramLabel = "NAME", description = "The table's column of text.")
    private String column;

    @Option(
            names = "--id-column",
            paramLabel = "NAME",
            description = "The table's column of document ids. Default: file and row.")
    private String idColumn;

    @Option(
            names = "--split",
            paramLabel = "NAME",
            description =
                    "Instead of --data: train or val, of the run that the checkpoint belongs to, as one document and,"
                            + " without --stride, by the windows of its training's evaluations, so that the loss is its val_loss.")
    private String split;

    @Option(
            names = "--task",
            paramLabel = "FILE",
            description =
                    "Instead of --data: items as JSON lines, scored as lm-evaluation-harness does: context, endings and"
                            + " label (acc, acc_norm), HellaSwag's own layout, or LAMBADA's (acc, perplexity of the last word).")
    private String task;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "DIR",
            description =
                    "Directory to make, for documents/ (Parquet, a row a document; with --task items/) and summary.json.")
    private String out;

    @Option(
            names = "--stride",
            paramLabel = "N",
            description =
                    "Tokens by which windows advance over a long document: each token is scored once, with at least"
                            + " block_size - N tokens before it as context. Default: block_size.")
    private Integer stride;

    @Option(
            names = "--batch",
            paramLabel = "N",
            description = "Windows a forward pass. Default: the checkpoint's train.micro_batch.")
    private Integer batch;

    @Mixin
    private TaskMixin tasks;

    private final Job<EvaluateOptions> job;

    public EvaluateCommand(Job<EvaluateOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        check(
                Stream.of(data, split, task).filter(Objects::nonNull).count() == 1,
                "give either --data PATH or --split val or --task FILE, to say what to evaluate");
        check(
                split == null || split.equals("val") || split.equals("train"),
                "--split is '%s'; it may be train or val",
                split);
        check(
                data != null || (column == null && idColumn == null),
                "--column and --id-column name a table's columns, and %s has none; drop them",
                split == null ? "--task" : "--split");
        check(task == null || stride == null, "--stride is for documents, and --task has none; drop it");
        job.run(new EvaluateOptions(
                model.checkpoint(),
                model.which(),
                model.hardware(),
                new EvaluateOptions.Data(
                        Optional.ofNullable(data),
                        Optional.ofNullable(column),
                        Optional.ofNullable(idColumn),
                        Optional.ofNullable(split),
                        Optional.ofNullable(task)),
                out,
                tasks.settings(),
                OptionValues.upTo(OptionValues.MOST_SEQUENCES, "--batch", batch),
                OptionValues.upTo(Integer.MAX_VALUE, "--stride", stride)));
        return ExitCode.DONE;
    }
}
