package dev.kindling.job;

import dev.kindling.compare.ComparisonBody;
import dev.kindling.compare.ComparisonDescription;
import dev.kindling.compare.ComparisonPlan;
import dev.kindling.compare.MeasurementCollector;
import dev.kindling.config.ClusterSection;
import dev.kindling.config.ConfigException;
import dev.kindling.config.ConfigOverrides;
import dev.kindling.config.DataSection;
import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.config.ModelSection;
import dev.kindling.config.TrainConfig;
import dev.kindling.coordinate.Coordinator;
import dev.kindling.coordinate.GenerationPlan;
import dev.kindling.coordinate.Generations;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.input.Named;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.CompareOptions;
import dev.kindling.prepare.ShardPreparation;
import dev.kindling.report.BackendJson;
import dev.kindling.report.BackendPage;
import dev.kindling.report.BackendReport;
import dev.kindling.report.BackendTable;
import dev.kindling.report.RankMeasurement;
import dev.kindling.run.StagedDirectory;
import dev.kindling.session.DriverDevice;
import dev.kindling.session.SparkSessions;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * Compares attention backends: one generation of ranks for each number of executors, then the report. The report's
 * directory appears whole or not at all.
 */
final class CompareJob implements Job<CompareOptions> {
    /** The folder of temporary shards, beside the report; deleted after the comparison. */
    private static final String SHARDS = "data";

    private final PrintStream out;

    CompareJob(PrintStream out) {
        this.out = out;
    }

    @Override
    public void run(CompareOptions options) throws Exception {
        Configuration hadoop = Storage.settings();
        try (StagedDirectory results = StagedDirectory.at(options.out(), hadoop)) {
            Comparison comparison = settle(options, results.out(), hadoop);
            ClusterSection cluster = comparison.config().cluster();
            try (SparkSessions.Application application = SparkSessions.openForBarriers(
                    "compare", cluster.executors(), DriverDevice.gpus(cluster.device()))) {
                BackendReport report = measure(comparison, results, application.spark());
                out.print(BackendTable.format(report));
                results.write("report.json", BackendJson.of(report));
                results.write("report.html", BackendPage.format(report));
                results.delete(SHARDS);
                results.publish();
                out.printf(Locale.ROOT, "%nreport: %s/report.html%n", results.out());
                requireSense(report);
            }
        }
    }

    /**
     * What to run.
     *
     * @param config with the most executors of the series, and with micro-batches that all of them can share
     * @param executors the numbers of executors
     * @param notes what the report must tell its reader
     */
    private record Comparison(TrainConfig config, List<Integer> executors, ComparisonPlan plan, List<String> notes) {}

    private static Comparison settle(CompareOptions options, Path out, Configuration hadoop) throws IOException {
        CompareOptions.Series series = options.series();
        ConfigOverrides overrides = series.executors().isEmpty()
                ? options.overrides()
                : options.overrides().withExecutors(Collections.max(series.executors()));
        TrainConfig asked = TrainingSettings.resolve(options.config(), overrides, hadoop);
        if (asked.data().packing() != DataSection.Packing.WINDOWS) {
            throw new ConfigException(
                    "data.packing is documents, but compare measures windows of one length; set it to windows");
        }
        if (asked.data().tokenizer() == TokenizerKind.BPE
                && !ShardPreparation.isPrepared(Named.corpus(asked.data()), hadoop)) {
            throw new ConfigException("data.tokenizer is bpe, the byte pairs of a model, but compare begins with random"
                    + " weights; set it to gpt2 or char");
        }
        if (asked.cluster().compression() != ClusterSection.Compression.NONE) {
            throw new ConfigException(
                    "cluster.compression is bf16, but compare gives every backend the same gradients to the bit; set"
                            + " it to none");
        }
        List<String> notes = new ArrayList<>();
        TrainConfig config = withMicroBatches(asked, notes);
        TrainingSettings.requireEnoughMicroBatches(config);
        ShardPreparation.requireCorpus(Named.corpus(config.data()), out, hadoop);
        CompareOptions.Timing timing = options.timing();
        ComparisonPlan plan = new ComparisonPlan(
                options.backends(),
                series.lengths().isEmpty() ? List.of(config.model().blockSize()) : series.lengths(),
                series.compile().isEmpty() ? List.of(config.train().compile()) : series.compile(),
                timing.warmUp(),
                timing.rounds(),
                timing.steps());
        List<Integer> executors =
                series.executors().isEmpty() ? List.of(config.cluster().executors()) : series.executors();
        return new Comparison(config, executors, plan, notes);
    }

    /**
     * The configuration with micro-batches that the largest number of executors can share; they are the same for every
     * number of them, so that all do the same work.
     */
    private static TrainConfig withMicroBatches(TrainConfig config, List<String> notes) {
        int executors = config.cluster().executors();
        int globalBatch = config.train().globalBatch();
        if (config.train().microBatches() >= executors || globalBatch % executors != 0) {
            return config;
        }
        int share = globalBatch / executors;
        notes.add(String.format(
                Locale.ROOT,
                "train.micro_batch is %d in the configuration; it ran as %d everywhere, so that %d executors share a step",
                config.train().microBatch(),
                share,
                executors));
        return config.withTrain(train -> train.withMicroBatch(share));
    }

    private BackendReport measure(Comparison comparison, StagedDirectory results, JavaSparkContext spark)
            throws IOException {
        TrainConfig config = comparison.config();
        PreparedCorpus corpus = PreparedCorpus.of(config.data(), Optional.empty(), results.path(SHARDS), spark);
        int vocabulary = corpus.vocabulary();
        requireTokens(comparison.plan(), corpus.shards());
        Map<Integer, List<RankMeasurement>> measured = new TreeMap<>();
        for (int executors : comparison.executors()) {
            TrainConfig own = config.withCluster(
                    cluster -> cluster.withExecutors(executors).withMinExecutors(executors));
            out.printf(Locale.ROOT, "%d executor(s): measuring ...%n", executors);
            MeasurementCollector record = new MeasurementCollector(out);
            try (Coordinator coordinator = new Coordinator(spark, record.handlers())) {
                GenerationPlan plan = Training.plan(longest(own, comparison.plan()), vocabulary, spark.getConf());
                new Generations(spark, coordinator, plan)
                        .run(
                                new ComparisonBody(
                                        own, comparison.plan(), corpus.folder().toString()),
                                () -> 0);
            }
            measured.put(executors, record.measurements());
        }
        ModelSection model = config.model();
        BackendReport.Work work =
                new BackendReport.Work(config.train().globalBatch(), model.nLayer(), model.nEmbd(), vocabulary);
        return BackendReport.of(
                ComparisonDescription.of(comparison.plan(), config, comparison.notes(), measured, spark),
                work,
                measured);
    }

    private static void requireTokens(ComparisonPlan plan, ShardSet shards) {
        long tokens = shards.tokens(CorpusSplit.TRAIN).length();
        int longest = Collections.max(plan.lengths());
        if (longest >= tokens) {
            throw new ConfigException(
                    "sequences of %d tokens do not fit the corpus, whose training split has %d; lower --lengths, or set data.corpus to a longer text",
                    longest, tokens);
        }
    }

    /** The configuration with the longest sequences of the series, and so the most weights. */
    private static TrainConfig longest(TrainConfig config, ComparisonPlan plan) {
        return config.withModel(model -> model.withBlockSize(Collections.max(plan.lengths())));
    }

    /** Fails if nothing was measured or backends disagree: the report has been written, but that is no success. */
    private static void requireSense(BackendReport report) {
        if (report.rows().stream().noneMatch(BackendReport.Row::ran)) {
            throw new FatalJobException("no backend could run: "
                    + report.rows().stream()
                            .map(row -> row.backend() + ": " + row.refusal())
                            .distinct()
                            .collect(Collectors.joining("; ")));
        }
        String disagreeing = report.rows().stream()
                .filter(row -> row.ran() && !row.parity().holds())
                .map(row -> String.format(
                        Locale.ROOT,
                        "%s at length %d by %.1e (tolerance %.1e)",
                        row.backend(),
                        row.length(),
                        row.parity().difference(),
                        row.parity().tolerance()))
                .collect(Collectors.joining(", "));
        if (!disagreeing.isEmpty()) {
            throw new FatalJobException("losses differ more than rounding explains: " + disagreeing
                    + "; do not use these backends before it is understood");
        }
    }
}
