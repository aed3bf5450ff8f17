package dev.kindling.job;

import dev.kindling.allreduce.SumOrder;
import dev.kindling.config.ClusterSection;
import dev.kindling.config.ClusterSection.AllReduceChoice;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.coordinate.Coordinator;
import dev.kindling.coordinate.GenerationPlan;
import dev.kindling.coordinate.Generations;
import dev.kindling.coordinate.GenerationsResult;
import dev.kindling.coordinate.Transport;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.coordinate.message.MessageCodec;
import dev.kindling.input.Named;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.TrainOptions;
import dev.kindling.model.GptConfigs;
import dev.kindling.nn.GptConfig;
import dev.kindling.nn.Parameters;
import dev.kindling.prepare.ShardPreparation;
import dev.kindling.run.OwnedRun;
import dev.kindling.run.Resume;
import dev.kindling.run.RunDirectory;
import dev.kindling.run.RunSummary;
import dev.kindling.run.StartingPoint;
import dev.kindling.session.DriverDevice;
import dev.kindling.session.SparkSessions;
import dev.kindling.storage.Storage;
import dev.kindling.train.TrainResult;
import dev.kindling.train.TrainingBody;
import dev.kindling.train.TrainingRecord;
import java.io.IOException;
import java.util.Formatter;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/** Trains a model: configuration, run directory, shards, generations of ranks, summary and a sample. */
final class TrainJob implements Job<TrainOptions> {
    private static final int ATTEMPTS_WITHOUT_PROGRESS = 3;

    private final SparkSessions sessions;

    TrainJob(SparkSessions sessions) {
        this.sessions = sessions;
    }

    @Override
    public void run(TrainOptions options) throws Exception {
        long began = System.nanoTime();
        Configuration hadoop = Storage.settings();
        RunDirectory run = RunDirectory.at(options.out(), hadoop);
        boolean resume = run.resumes(options.resume());
        if (resume && options.resume() != Resume.YES) {
            System.out.println("going on with the run at " + run);
        }
        run.require(resume);
        TrainConfig asked = configuration(options, run, resume, hadoop);
        TrainingSettings.requireEnoughMicroBatches(asked);
        if (!resume) {
            ShardPreparation.requireCorpus(Named.corpus(asked.data()), run.path(), hadoop);
        }
        StartingPoint start = run.start(asked, resume);
        Optional<String> finished = start.finished(run);
        if (finished.isPresent()) {
            System.out.println(finished.get());
            DriverWork.run("train", () -> exportFinished(run, start, options, hadoop));
            return;
        }
        start.notice().ifPresent(System.out::println);
        ClusterSection cluster = asked.cluster();
        try (OwnedRun owned = run.own(start.config(), resume);
                SparkSessions.Application application =
                        sessions.openForBarriers("train", cluster.executors(), DriverDevice.gpus(cluster.device()))) {
            train(start, run, owned, application.spark(), began);
            if (options.export().isPresent()) {
                ExportJob.intoRun(run.path(), options.export().get(), hadoop, System.out);
            }
        }
    }

    private static void exportFinished(
            RunDirectory run, StartingPoint start, TrainOptions options, Configuration hadoop) throws IOException {
        if (options.export().isPresent()) {
            try (OwnedRun owned = run.own(start.config(), true)) {
                ExportJob.intoRun(run.path(), options.export().get(), hadoop, System.out);
                owned.keep();
            }
        }
    }

    private static TrainConfig configuration(
            TrainOptions options, RunDirectory run, boolean resume, Configuration hadoop) throws IOException {
        return resume && options.config().isEmpty()
                ? run.config(options.overrides())
                : TrainingSettings.resolve(options.config(), options.overrides(), hadoop);
    }

    private static void train(StartingPoint start, RunDirectory run, OwnedRun owned, JavaSparkContext spark, long began)
            throws IOException {
        TrainConfig config = start.config();
        start.save(run);
        PreparedCorpus corpus = PreparedCorpus.of(config.data(), start.vocabulary(), run.shards(), spark);
        start.requireVocabulary(corpus.shards().tokenizer().toJson());
        TrainingBody body =
                new TrainingBody(config, run.toString(), corpus.folder().toString());
        try (TrainingRecord record = new TrainingRecord(config, run, spark);
                Coordinator coordinator = new Coordinator(spark, record.handlers())) {
            record.url().ifPresent(url -> System.out.println("watch it at " + url));
            GenerationsResult outcome;
            try {
                GenerationPlan plan = plan(config, corpus.vocabulary(), spark.getConf());
                outcome = new Generations(spark, coordinator, plan).run(body, record);
                record.finished();
            } finally {
                if (record.last() != null) {
                    owned.keep();
                }
            }
            owned.keep();
            finish(config, run, record, outcome, (System.nanoTime() - began) / 1e9);
        }
    }

    /** The most operands that a rank contributes to a sum at once, for any number of ranks that may be left. */
    private static int mostOperands(TrainConfig config) {
        if (config.train().reduction() == TrainSection.Reduction.RANK) {
            return 1;
        }
        return IntStream.rangeClosed(1, config.cluster().executors())
                .map(ranks ->
                        SumOrder.tree(config.train().microBatches(), ranks).mostOperands())
                .max()
                .orElseThrow();
    }

    static GenerationPlan plan(TrainConfig config, int vocabulary, SparkConf conf) {
        ClusterSection cluster = config.cluster();
        GptConfig model = GptConfigs.of(config.model(), vocabulary);
        return new GenerationPlan(
                cluster.executors(),
                cluster.minExecutors(),
                cluster.allreduce() == AllReduceChoice.DRIVER ? Transport.DRIVER : Transport.RING,
                Parameters.count(model) * mostOperands(config),
                ATTEMPTS_WITHOUT_PROGRESS,
                Limits.of(conf));
    }

    private static void finish(
            TrainConfig config, RunDirectory run, TrainingRecord record, GenerationsResult outcome, double seconds)
            throws IOException {
        TrainResult result = MessageCodec.decode(outcome.result(), TrainResult.class);
        int worldSize =
                outcome.generations().get(outcome.generations().size() - 1).worldSize();
        RunSummary summary = new RunSummary(
                result.steps(),
                record.last() == null
                        ? OptionalDouble.empty()
                        : OptionalDouble.of(record.last().loss()),
                Double.isFinite(result.bestValLoss())
                        ? OptionalDouble.of(result.bestValLoss())
                        : OptionalDouble.empty(),
                record.tokensPerSecond(),
                optional(result.joulesPerThousandTokens()),
                seconds,
                worldSize,
                result.peakBytes(),
                record.stragglers(),
                optional(result.paddingSaved()),
                Map.of(
                        "device", result.device(),
                        "attention", result.attention(),
                        "allreduce", result.allreduce()));
        run.write(summary);
        summary.paddingSaved()
                .ifPresent(share -> System.out.printf(
                        Locale.ROOT,
                        "%n%.1f %% of the rows would be padding if each document were padded to block_size %d instead of packed%n",
                        100 * share,
                        config.model().blockSize()));
        System.out.printf(
                Locale.ROOT,
                "%n--- a sample ---%n%s%n---%n%n%s%nrun directory: %s%n",
                result.sample(),
                line(summary, result.bestStep()),
                run);
        tellEarlyEnd(config, result);
        record.stragglers().slowest().ifPresent(slowest -> System.out.println("slow executor: " + slowest));
    }

    private static OptionalDouble optional(Double value) {
        return value == null ? OptionalDouble.empty() : OptionalDouble.of(value);
    }

    private static String line(RunSummary summary, long bestStep) {
        StringBuilder line = new StringBuilder();
        Formatter text = new Formatter(line, Locale.ROOT);
        text.format(
                "trained %d steps on %d executor(s) in %.1f s",
                summary.steps(), summary.worldSize(), summary.wallSeconds());
        summary.bestValLoss().ifPresent(loss -> text.format(": best validation loss %.4f at step %d", loss, bestStep));
        summary.tokensPerSecond().ifPresent(speed -> text.format(", %,.0f tokens/s", speed));
        summary.joulesPerThousandTokens().ifPresent(energy -> text.format(", %.3g J per thousand tokens", energy));
        Map<String, String> ran = summary.ran();
        text.format(" (%s, attention %s, allreduce %s)", ran.get("device"), ran.get("attention"), ran.get("allreduce"));
        return line.toString();
    }

    private static void tellEarlyEnd(TrainConfig config, TrainResult result) {
        if (result.steps() < config.train().maxSteps()) {
            System.out.printf(
                    Locale.ROOT,
                    "ended before train.max_steps %d: %d evaluations without a lower validation loss (train.patience)%n",
                    config.train().maxSteps(),
                    config.train().patience());
        }
    }
}
