package dev.kindling.job;

import dev.kindling.allreduce.SumOrder;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.config.ClusterSection;
import dev.kindling.config.ClusterSection.AllReduceChoice;
import dev.kindling.config.ConfigException;
import dev.kindling.config.ConfigOverrides;
import dev.kindling.config.ConfigSource;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.coordinate.Coordinator;
import dev.kindling.coordinate.GenerationFailedException;
import dev.kindling.coordinate.GenerationPlan;
import dev.kindling.coordinate.Generations;
import dev.kindling.coordinate.GenerationsResult;
import dev.kindling.coordinate.Transport;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.TrainOptions;
import dev.kindling.model.GptConfigs;
import dev.kindling.nn.GptConfig;
import dev.kindling.nn.Parameters;
import dev.kindling.prepare.ShardPreparation;
import dev.kindling.run.RunLock;
import dev.kindling.run.RunLog;
import dev.kindling.run.RunPath;
import dev.kindling.run.RunSummary;
import dev.kindling.session.DriverDevice;
import dev.kindling.session.SparkSessions;
import dev.kindling.storage.Storage;
import dev.kindling.train.TrainResult;
import dev.kindling.train.TrainingBody;
import dev.kindling.train.TrainingRecord;
import java.io.IOException;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
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
        Path run = RunPath.absolute(options.out(), hadoop);
        Storage storage = Storage.of(run, hadoop);
        TrainConfig config = configuration(options, run, storage, hadoop);
        requireEnoughMicroBatches(config);
        requireNew(run, storage, options.resume());
        if (!options.resume()) {
            ShardPreparation.requireCorpus(config.data().corpus(), hadoop);
        }
        try (SparkSessions.Application application = sessions.openForBarriers(
                        "train",
                        config.cluster().executors(),
                        DriverDevice.gpus(config.cluster().device()));
                RunLock lock = lock(run, storage);
                RunLog log = openLog(run)) {
            JavaSparkContext spark = application.spark();
            Shards shards = settle(config, run, storage, spark, options.resume());
            CheckpointStore store =
                    CheckpointStore.ofRun(run, config.checkpoint().keep(), hadoop);
            try (TrainingRecord record = new TrainingRecord(config, storage, run, store, spark);
                    Coordinator coordinator = new Coordinator(spark, record)) {
                GenerationPlan plan = plan(config, shards.vocabulary(), spark.getConf());
                TrainingBody body =
                        new TrainingBody(config, run.toString(), shards.folder().toString());
                record.url().ifPresent(url -> System.out.println("watch it at " + url));
                GenerationsResult outcome;
                try {
                    outcome = new Generations(spark, coordinator, plan).run(body, record);
                    record.finished();
                } catch (FatalJobException | GenerationFailedException e) {
                    if (!options.resume() && record.last() == null) {
                        storage.deleteQuietly(run, e);
                    }
                    throw e;
                }
                finish(config, run, storage, record, outcome, (System.nanoTime() - began) / 1e9);
            }
        }
    }

    private static RunLock lock(Path run, Storage storage) throws IOException {
        try {
            if (storage.files().mkdirs(run)) {
                return RunLock.take(run);
            }
            throw new IOException("it cannot be made");
        } catch (IOException e) {
            throw new ConfigException(
                    "cannot write to %s (%s); check its permissions, or choose another --out"
                            .formatted(run, e.getMessage()),
                    e);
        }
    }

    /** The run's log file, where the run directory is on a local disk; null elsewhere. */
    private static RunLog openLog(Path run) {
        return "file".equals(run.toUri().getScheme())
                ? RunLog.open(java.nio.file.Path.of(run.toUri().getPath()))
                : null;
    }

    private record Shards(Path folder, int vocabulary) {}

    /**
     * Prepares and verifies the shards, then writes config.yaml. If that fails, a new run directory is removed again.
     */
    private static Shards settle(TrainConfig config, Path run, Storage storage, JavaSparkContext spark, boolean resume)
            throws IOException {
        try {
            Path folder = shards(config, run, spark);
            Shards shards = new Shards(folder, vocabulary(folder, spark));
            storage.write(new Path(run, "config.yaml"), config.toYaml());
            return shards;
        } catch (IOException | RuntimeException e) {
            if (!resume) {
                storage.deleteQuietly(run, e);
            }
            throw e;
        }
    }

    static TrainConfig configuration(TrainOptions options, Path run, Storage storage, Configuration hadoop)
            throws IOException {
        Path resolved = new Path(run, "config.yaml");
        ConfigSource source = new ConfigSource(hadoop, DriverDevice.defaults());
        if (options.config().isPresent()) {
            return source.load(options.config().get(), options.overrides());
        }
        if (options.resume() && storage.files().exists(resolved)) {
            return TrainConfig.parse(storage.read(resolved), resolved.toString(), options.overrides());
        }
        TrainConfig cpu = source.builtIn("shakespeare-char-cpu", options.overrides());
        if (DriverDevice.gpus(cpu.cluster().device()) == 0) {
            return cpu;
        }
        return forGpus(source, options.overrides());
    }

    /** The GPU configuration, with micro-batches small enough that every executor has one. */
    private static TrainConfig forGpus(ConfigSource source, ConfigOverrides overrides) {
        TrainConfig config = source.builtIn("shakespeare-char", overrides);
        int share = config.train().globalBatch() / config.cluster().executors();
        return share < config.train().microBatch() && config.train().globalBatch() % share == 0
                ? config.withTrain(train -> train.withMicroBatch(share)).with(overrides)
                : config;
    }

    private static void requireNew(Path run, Storage storage, boolean resume) throws IOException {
        boolean exists = storage.files().exists(run);
        if (exists && !resume) {
            throw new ConfigException(
                    "%s exists already; add --resume to go on with that run, or choose another --out".formatted(run));
        }
        if (!exists && resume) {
            throw new ConfigException(
                    "there is no run at %s to resume; check --out, or leave out --resume".formatted(run));
        }
    }

    /**
     * The folder of shards: the corpus itself if it is a folder of shards, otherwise the run's own, which is prepared
     * first if needed.
     */
    static Path shards(TrainConfig config, Path run, JavaSparkContext spark) throws IOException {
        Configuration hadoop = spark.hadoopConfiguration();
        String corpus = config.data().corpus();
        if (ShardPreparation.isPrepared(corpus, hadoop)) {
            return RunPath.absolute(corpus, hadoop);
        }
        Path own = new Path(run, "data");
        if (!ShardPreparation.isPrepared(own.toString(), hadoop)) {
            JobWatch.over(
                    spark.sc(),
                    () -> new ShardPreparation(spark)
                            .prepare(
                                    new ShardPreparation.Request(
                                            corpus,
                                            config.data().tokenizer(),
                                            config.data().valFraction()),
                                    own));
        }
        return own;
    }

    /** Verifies the shards; returns the size of their vocabulary. */
    static int vocabulary(Path shards, JavaSparkContext spark) throws IOException {
        return JobWatch.over(spark.sc(), () -> new ShardPreparation(spark).openVerified(shards))
                .tokenizer()
                .vocabSize();
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

    static void requireEnoughMicroBatches(TrainConfig config) {
        ClusterSection cluster = config.cluster();
        if (config.train().microBatches() < cluster.executors()) {
            throw new ConfigException(
                    "%d executors would share %d micro-batch(es), so some would idle; lower train.micro_batch to %d or less, or --executors to %d"
                            .formatted(
                                    cluster.executors(),
                                    config.train().microBatches(),
                                    Math.max(1, config.train().globalBatch() / cluster.executors()),
                                    config.train().microBatches()));
        }
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
            TrainConfig config,
            Path run,
            Storage storage,
            TrainingRecord record,
            GenerationsResult outcome,
            double seconds)
            throws IOException {
        TrainResult result = TrainResult.decode(outcome.result());
        int worldSize =
                outcome.generations().get(outcome.generations().size() - 1).worldSize();
        new RunSummary(
                        config.train().maxSteps(),
                        record.last() == null ? Double.NaN : record.last().loss(),
                        Double.isFinite(result.bestValLoss())
                                ? OptionalDouble.of(result.bestValLoss())
                                : OptionalDouble.empty(),
                        record.tokensPerSecond(),
                        seconds,
                        worldSize,
                        result.peakBytes(),
                        record.stragglers(),
                        result.paddingSaved() == null
                                ? OptionalDouble.empty()
                                : OptionalDouble.of(result.paddingSaved()),
                        Map.of(
                                "device", result.device(),
                                "attention", result.attention(),
                                "allreduce", result.allreduce()))
                .write(storage, new Path(run, "summary.json"));
        if (result.paddingSaved() != null) {
            System.out.printf(
                    "%n%.1f %% of the rows would be padding if each document were padded to block_size %d instead of packed%n",
                    100 * result.paddingSaved(), config.model().blockSize());
        }
        System.out.printf(
                "%n--- a sample ---%n%s%n---%n%ntrained %d steps on %d executor(s) in %.1f s: best validation loss %.4f, %,.0f tokens/s (%s, attention %s, allreduce %s)%nrun directory: %s%n",
                result.sample(),
                config.train().maxSteps(),
                worldSize,
                seconds,
                result.bestValLoss(),
                record.tokensPerSecond(),
                result.device(),
                result.attention(),
                result.allreduce(),
                run);
        record.stragglers().slowest().ifPresent(slowest -> System.out.println("slow executor: " + slowest));
    }
}
