package dev.kindling.job;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.NamedCheckpoint;
import dev.kindling.config.ConfigException;
import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.data.DataException;
import dev.kindling.evaluate.DocumentScores;
import dev.kindling.evaluate.EvaluationData;
import dev.kindling.evaluate.EvaluationTotals;
import dev.kindling.evaluate.Measurements;
import dev.kindling.evaluate.ScoringSettings;
import dev.kindling.input.Named;
import dev.kindling.input.TextInput;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.DeviceSettings;
import dev.kindling.job.options.EvaluateOptions;
import dev.kindling.prepare.ShardPreparation;
import dev.kindling.run.RunPath;
import dev.kindling.run.StagedDirectory;
import dev.kindling.session.DriverDevice;
import dev.kindling.session.SparkSessions;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Scores documents with a checkpoint. The table of scores and summary.json appear whole or not at all. The totals do
 * not depend on how many executors and tasks shared the work, nor on which of them died.
 */
final class EvaluateJob implements Job<EvaluateOptions> {
    private static final int SHOWN_PROBLEMS = 5;

    private final SparkSessions sessions;

    EvaluateJob(SparkSessions sessions) {
        this.sessions = sessions;
    }

    /** The checkpoint to evaluate, with its configuration. */
    private record Subject(Path checkpoint, CheckpointState state, TrainConfig config) {
        static Subject of(EvaluateOptions options, Configuration hadoop) throws IOException {
            NamedCheckpoint resolved =
                    NamedCheckpoint.of(RunPath.absolute(options.checkpoint(), hadoop), options.which(), hadoop);
            resolved.choice().ifPresent(choice -> System.err.println("kindling: " + choice));
            Path directory = resolved.directory();
            CheckpointState state = CheckpointStore.around(directory, hadoop).loadState(directory);
            return new Subject(directory, state, TrainConfig.fromTree(state.config(), directory + "/state.json"));
        }

        /** The shards that the checkpoint was trained on: the run's own, or those that data.corpus names. */
        String shards(Configuration hadoop) throws IOException {
            String own = checkpoint.getParent().getParent() + "/data";
            if (ShardPreparation.isPrepared(new Path(own), hadoop)) {
                return own;
            }
            Named corpus = Named.corpus(config.data());
            if (ShardPreparation.isPrepared(corpus, hadoop)) {
                return corpus.resolve(hadoop).toString();
            }
            throw new ConfigException(String.format(
                    Locale.ROOT,
                    "--split needs the shards of the checkpoint's run, and neither %s nor data.corpus %s holds any; give the text by --data",
                    own,
                    config.data().corpus()));
        }
    }

    @Override
    public void run(EvaluateOptions options) throws IOException {
        Configuration hadoop = Storage.settings();
        StagedDirectory results = StagedDirectory.at(options.out(), hadoop);
        Subject subject = Subject.of(options, hadoop);
        EvaluationData documents = documents(options, subject, results.out(), hadoop);
        ScoringSettings scoring = scoring(options, subject, documents);
        int gpus = DriverDevice.gpus(options.hardware().device());
        int executors = options.elastic().executors(gpus);
        Work work = new Work(options, subject, scoring, documents, executors);
        try (results;
                SparkSessions.Application application = sessions.openWithoutBarriers("evaluate", executors, gpus)) {
            JobWatch.over(
                    application.spark().sc(),
                    results.out().toString(),
                    () -> evaluate(work, application.session(), results));
            results.publish();
        }
        System.out.println("results: " + results.out());
    }

    private record Work(
            EvaluateOptions options,
            Subject subject,
            ScoringSettings scoring,
            EvaluationData documents,
            int executors) {}

    private static EvaluationTotals evaluate(Work work, SparkSession session, StagedDirectory results)
            throws IOException {
        long began = System.nanoTime();
        Measurements measurements = new Measurements(session.sparkContext());
        int slots = Math.max(
                work.executors() * session.sparkContext().conf().getInt("spark.executor.cores", 1),
                session.sparkContext().defaultParallelism());
        DocumentScores.Tasks tasks = new DocumentScores.Tasks(
                work.scoring(),
                measurements,
                work.options().elastic().partitions().orElse(0),
                slots);
        String table = results.path("documents").toString();
        DocumentScores.of(work.documents(), session, tasks).write().parquet(table);
        double seconds = (System.nanoTime() - began) / 1e9;
        Dataset<Row> written = session.read().parquet(Storage.asPattern(table));
        EvaluationTotals totals = EvaluationTotals.of(written);
        List<String> problems = problems(written);
        if (totals.documents() == 0) {
            throw new DataException(
                    totals.skipped() == 0
                            ? "there are no documents to evaluate; check --data"
                            : String.format(
                                    Locale.ROOT,
                                    "none of the %,d documents could be scored, the first because: %s",
                                    totals.skipped(),
                                    problems.get(0)));
        }
        ObjectNode summary = summary(work, totals, problems);
        summary.putObject("run")
                .put("seconds", seconds)
                .put("tokens_per_second", totals.tokens() / seconds)
                .put("positions", measurements.positions())
                .put("positions_per_device_second", measurements.positionsPerDeviceSecond())
                .put("device", measurements.devices())
                .put("attention", measurements.attention())
                .put("batch", work.scoring().batch());
        results.write(
                "summary.json",
                JsonMapper.builder().build().writerWithDefaultPrettyPrinter().writeValueAsString(summary) + "\n");
        report(totals, seconds, measurements, problems);
        return totals;
    }

    private static void report(
            EvaluationTotals totals, double seconds, Measurements measurements, List<String> problems) {
        System.out.printf(
                Locale.ROOT,
                "evaluated %,d document(s), %,d tokens: loss %.6f, perplexity %.4f, %.4f bits per byte%n",
                totals.documents(),
                totals.tokens(),
                totals.loss(),
                totals.perplexity(),
                totals.bitsPerByte());
        System.out.printf(
                Locale.ROOT,
                "%.1f s, %,.0f tokens/s in all, %,.0f positions/s a device from its first batch to its last (%s, attention %s)%n",
                seconds,
                totals.tokens() / seconds,
                measurements.positionsPerDeviceSecond(),
                measurements.devices(),
                measurements.attention());
        if (totals.skipped() > 0) {
            System.out.printf(Locale.ROOT, "skipped %,d document(s), for example:%n", totals.skipped());
            problems.forEach(problem -> System.out.println("  " + problem));
        }
    }

    /**
     * The content of summary.json. Everything but the duration is the same for the same checkpoint, data and options.
     */
    private static ObjectNode summary(Work work, EvaluationTotals totals, List<String> problems) {
        ObjectNode summary = JsonMapper.builder().build().createObjectNode();
        EvaluateOptions.Data data = work.options().data();
        summary.put("checkpoint", work.subject().checkpoint().toString())
                .put("step", work.subject().state().step())
                .put("data", data.path().orElseGet(() -> "split " + data.split().orElseThrow()))
                .put("block_size", work.subject().config().model().blockSize())
                .put("stride", work.scoring().stride());
        summary.putObject("totals")
                .put("documents", totals.documents())
                .put("skipped", totals.skipped())
                .put("tokens", totals.tokens())
                .put("bytes", totals.bytes())
                .put("loss", totals.loss())
                .put("perplexity", totals.perplexity())
                .put("bits_per_byte", totals.bitsPerByte());
        problems.forEach(summary.putArray("skipped_examples")::add);
        return summary;
    }

    private static List<String> problems(Dataset<Row> written) {
        return written.filter("skipped is not null").orderBy("id").limit(SHOWN_PROBLEMS).collectAsList().stream()
                .map(row -> row.<String>getAs("skipped"))
                .toList();
    }

    private static ScoringSettings scoring(EvaluateOptions options, Subject subject, EvaluationData documents) {
        int block = subject.config().model().blockSize();
        int stride = options.stride().orElse(block);
        if (stride > block) {
            throw new ConfigException(String.format(
                    Locale.ROOT,
                    "--stride is %d, but windows are block_size %d long; set it between 1 and %d",
                    stride,
                    block,
                    block));
        }
        DeviceSettings hardware = options.hardware();
        PrecisionChoice precision = hardware.precision() == PrecisionChoice.AUTO
                ? subject.config().train().precision()
                : hardware.precision();
        return new ScoringSettings(
                subject.checkpoint().toString(),
                hardware.device(),
                precision,
                hardware.attention(),
                options.batch().orElse(subject.config().train().microBatch()),
                stride,
                documents.windowTokens(
                        block, bytesPerToken(subject.config().data().tokenizer())),
                options.elastic().skipBad());
    }

    /** The approximate number of bytes of English text per token. */
    static int bytesPerToken(TokenizerKind tokenizer) {
        return switch (tokenizer) {
            case CHAR -> 1;
            case GPT2, BPE -> 4;
        };
    }

    private static EvaluationData documents(EvaluateOptions options, Subject subject, Path out, Configuration hadoop)
            throws IOException {
        EvaluateOptions.Data data = options.data();
        if (data.path().isPresent()) {
            Named named = Named.data(data.path().get(), data.column(), data.idColumn());
            EvaluationData documents = EvaluationData.of(TextInput.of(named, hadoop));
            named.requireOutside(out, hadoop);
            return documents;
        }
        boolean asTraining = options.stride().isEmpty();
        int windows = subject.config().train().evalBatches()
                * subject.config().train().microBatch();
        return EvaluationData.split(subject.shards(hadoop), data.split().orElseThrow(), asTraining ? windows : 0);
    }
}
