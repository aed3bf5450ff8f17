package dev.kindling.job;

import dev.kindling.allreduce.SumOrder;
import dev.kindling.config.ClusterSection;
import dev.kindling.config.ClusterSection.AllReduceChoice;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.coordinate.Coordinator;
import dev.kindling.coordinate.GenerationPlan;
import dev.kindling.coordinate.Generations;
import dev.kindling.coordinate.Transport;
import dev.kindling.coordinate.message.GenerationsResult;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.coordinate.message.MessageCodec;
import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.model.GptConfigs;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.report.TrainingWatcher;
import dev.kindling.run.OwnedRun;
import dev.kindling.run.RunDirectory;
import dev.kindling.run.RunSummary;
import dev.kindling.run.StartingPoint;
import dev.kindling.train.TrainResult;
import dev.kindling.train.TrainingBody;
import dev.kindling.train.TrainingRecord;
import java.io.IOException;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * A training from its starting point to its end, in a Spark application that is open: shards, generations of ranks,
 * checkpoints, summary.
 */
public final class Training {
    private static final int ATTEMPTS_WITHOUT_PROGRESS = 3;

    private Training() {}

    /** How it ended. */
    public record Outcome(TrainResult result, RunSummary summary) {}

    /** Where it runs, and what observes it. */
    public record Watched(JavaSparkContext spark, TrainingWatcher watcher) {}

    /**
     * Trains.
     *
     * @param owned by this process; kept as soon as the run has done a step
     * @param began when the work began, by {@link System#nanoTime}
     * @throws dev.kindling.config.ConfigException if a rank finds the configuration, or a path in it, to be at fault
     * @throws dev.kindling.coordinate.message.FatalJobException an error that no attempt can cure
     * @throws dev.kindling.coordinate.message.GenerationFailedException too many attempts without progress
     */
    public static Outcome run(StartingPoint start, RunDirectory run, OwnedRun owned, Watched watched, long began)
            throws IOException {
        JavaSparkContext spark = watched.spark();
        TrainConfig config = start.config();
        start.save(run);
        PreparedCorpus corpus = PreparedCorpus.of(config.data(), start.vocabulary(), run.shards(), spark);
        start.requireCorpus(
                corpus.shards().tokenizer().toJson(),
                corpus.shards().tokens(CorpusSplit.TRAIN).length());
        watched.watcher().prepared();
        TrainingBody body =
                new TrainingBody(config, run.toString(), corpus.folder().toString(), owned.training());
        try (TrainingRecord record = new TrainingRecord(config, run, spark, watched.watcher());
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
            TrainResult result = MessageCodec.decode(outcome.result(), TrainResult.class);
            int worldSize =
                    outcome.generations().get(outcome.generations().size() - 1).worldSize();
            RunSummary summary = summary(result, record, worldSize, (System.nanoTime() - began) / 1e9);
            run.write(summary);
            return new Outcome(result, summary);
        }
    }

    private static RunSummary summary(TrainResult result, TrainingRecord record, int worldSize, double seconds) {
        return new RunSummary(
                result.steps(),
                record.last() == null
                        ? OptionalDouble.empty()
                        : OptionalDouble.of(record.last().loss()),
                Double.isFinite(result.bestValLoss())
                        ? OptionalDouble.of(result.bestValLoss())
                        : OptionalDouble.empty(),
                record.tokensPerSecond(),
                optional(result.joulesPerThousandTokens()),
                record.finishedStepsLost(),
                seconds,
                worldSize,
                result.peakBytes(),
                record.stragglers(),
                optional(result.paddingSaved()),
                Map.of(
                        "device", result.device(),
                        "attention", result.attention(),
                        "allreduce", result.allreduce()));
    }

    private static OptionalDouble optional(Double value) {
        return value == null ? OptionalDouble.empty() : OptionalDouble.of(value);
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
                cluster.spares(),
                cluster.allreduce() == AllReduceChoice.DRIVER ? Transport.DRIVER : Transport.RING,
                Parameters.count(model) * mostOperands(config),
                ATTEMPTS_WITHOUT_PROGRESS,
                Limits.of(conf).withSilence(1000L * cluster.silenceSeconds()));
    }
}
