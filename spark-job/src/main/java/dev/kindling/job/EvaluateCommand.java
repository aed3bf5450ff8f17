package dev.kindling.job;

import dev.kindling.train.ClusterSection.AttentionChoice;
import dev.kindling.train.ClusterSection.DeviceChoice;
import dev.kindling.train.ConfigException;
import dev.kindling.train.TrainSection.PrecisionChoice;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "evaluate",
        description = "Score documents with a trained model: loss, perplexity and bits per byte of each, and in total.",
        sortOptions = false)
final class EvaluateCommand implements Callable<Integer> {
    @Option(
            names = "--checkpoint",
            required = true,
            paramLabel = "DIR",
            description = "A run directory (its latest checkpoint is taken) or a checkpoint directory.")
    private String checkpoint;

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
            names = "--out",
            required = true,
            paramLabel = "DIR",
            description = "Directory to make, for documents/ (Parquet, a row a document) and summary.json.")
    private String out;

    @Option(
            names = "--stride",
            paramLabel = "N",
            description =
                    "Tokens by which windows advance over a long document: each token is scored once, with at least"
                            + " block_size - N tokens before it as context. Default: block_size.")
    private Integer stride;

    @Option(
            names = "--on-error",
            paramLabel = "WHAT",
            defaultValue = "fail",
            description = "fail, or skip: count and report documents that cannot be scored (${DEFAULT-VALUE}).")
    private String onError;

    @Option(
            names = "--executors",
            paramLabel = "N",
            description = "Executors. Default: 2, or one for each GPU of this host.")
    private Integer executors;

    @Option(names = "--partitions", paramLabel = "N", description = "Tasks. Default: as many as suit the data.")
    private Integer partitions;

    @Option(
            names = "--batch",
            paramLabel = "N",
            description = "Windows a forward pass. Default: the checkpoint's train.micro_batch.")
    private Integer batch;

    @Option(names = "--device", paramLabel = "NAME", defaultValue = "auto", description = "auto, cpu or cuda.")
    private String device;

    @Option(
            names = "--attention",
            paramLabel = "NAME",
            defaultValue = "auto",
            description = "auto, math, flash or efficient; only flash packs short documents side by side.")
    private String attention;

    @Option(names = "--precision", paramLabel = "NAME", defaultValue = "auto", description = "auto, bf16 or fp32.")
    private String precision;

    @Mixin
    private CommonOptions common;

    private final Job<EvaluateOptions> job;

    EvaluateCommand(Job<EvaluateOptions> job) {
        this.job = job;
    }

    @Override
    public Integer call() throws Exception {
        check((data == null) != (split == null), "give either --data PATH or --split val, to say what to evaluate");
        check(
                split == null || split.equals("val") || split.equals("train"),
                "--split is '" + split + "'; it may be train or val");
        check(
                split == null || (column == null && idColumn == null),
                "--column and --id-column name a table's columns, and --split has none; drop them");
        check(
                onError.equals("fail") || onError.equals("skip"),
                "--on-error is '" + onError + "'; it may be fail or skip");
        positive("--stride", stride);
        positive("--executors", executors);
        positive("--partitions", partitions);
        positive("--batch", batch);
        job.run(new EvaluateOptions(
                checkpoint,
                new EvaluateOptions.Data(
                        Optional.ofNullable(data),
                        Optional.ofNullable(column),
                        Optional.ofNullable(idColumn),
                        Optional.ofNullable(split)),
                out,
                new EvaluateOptions.Cluster(
                        Choice.given(executors),
                        partitions == null ? 0 : partitions,
                        Choice.of("--device", device, DeviceChoice.class),
                        Choice.of("--attention", attention, AttentionChoice.class),
                        Choice.of("--precision", precision, PrecisionChoice.class)),
                Choice.given(batch),
                Choice.given(stride),
                onError.equals("skip"),
                common.verbose()));
        return Kindling.DONE;
    }

    private static void positive(String option, Integer value) {
        check(value == null || value >= 1, option + " is " + value + "; set it to 1 or more");
    }

    private static void check(boolean holds, String message) {
        if (!holds) {
            throw new ConfigException(message);
        }
    }
}
