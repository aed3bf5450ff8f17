package dev.kindling.job;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.config.ConfigException;
import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.evaluate.DocumentScores;
import dev.kindling.evaluate.Measurements;
import dev.kindling.evaluate.ScoringSettings;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.DeviceSettings;
import dev.kindling.job.options.EvaluateOptions;
import dev.kindling.run.StagedDirectory;
import dev.kindling.session.DriverDevice;
import dev.kindling.session.SparkSessions;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Scores documents, or the items of a task, with a checkpoint. The table of scores and summary.json appear whole or not at
 * all. The totals do not depend on how many executors and tasks shared the work, nor on which of them died.
 */
final class EvaluateJob implements Job<EvaluateOptions> {
    private record Work(
            EvaluateOptions options,
            EvaluatedCheckpoint subject,
            ScoringSettings scoring,
            Evaluation evaluation,
            int executors) {}

    @Override
    public void run(EvaluateOptions options) throws IOException {
        Configuration hadoop = Storage.settings();
        StagedDirectory results = StagedDirectory.at(options.out(), hadoop);
        EvaluatedCheckpoint subject = EvaluatedCheckpoint.of(options, hadoop);
        Evaluation evaluation = options.data().task().isPresent()
                ? TaskEvaluation.of(options.data().task().get(), hadoop)
                : DocumentEvaluation.of(options, subject, results.out(), hadoop);
        ScoringSettings scoring = scoring(options, subject, evaluation);
        int gpus = DriverDevice.gpus(options.hardware().device());
        int executors = options.tasks().executors(gpus);
        Work work = new Work(options, subject, scoring, evaluation, executors);
        try (results;
                SparkSessions.Application application =
                        SparkSessions.openWithoutBarriers("evaluate", executors, gpus)) {
            JobWatch.over(
                    application.spark().sc(),
                    results.out().toString(),
                    () -> evaluate(work, application.session(), results));
            results.publish();
        }
        System.out.println("results: " + results.out());
    }

    private static Evaluation.Totals evaluate(Work work, SparkSession session, StagedDirectory results)
            throws IOException {
        long began = System.nanoTime();
        Measurements measurements = new Measurements(session.sparkContext());
        int slots = Math.max(
                work.executors() * session.sparkContext().conf().getInt("spark.executor.cores", 1),
                session.sparkContext().defaultParallelism());
        DocumentScores.Tasks tasks = new DocumentScores.Tasks(
                work.scoring(),
                measurements,
                work.options().tasks().partitions().orElse(0),
                slots);
        Evaluation evaluation = work.evaluation();
        String table = results.path(evaluation.table()).toString();
        Dataset<Row> scores = evaluation.scores(session, tasks);
        scores.write().parquet(table);
        double seconds = (System.nanoTime() - began) / 1e9;
        Dataset<Row> written = session.read().schema(scores.schema()).parquet(Storage.asPattern(table));
        Evaluation.Totals totals = evaluation.totals(written);
        List<String> problems = Evaluation.problems(written);
        ObjectNode summary = summary(work, totals, problems);
        summary.putObject("run")
                .put("seconds", seconds)
                .put("tokens_per_second", totals.tokens() / seconds)
                .put("positions", measurements.positions())
                .put("positions_per_device_second", measurements.positionsPerDeviceSecond())
                .put("device", measurements.devices())
                .put("attention", measurements.attention())
                .put("batch", work.scoring().batch());
        results.write("summary.json", summary);
        System.out.println(totals.line());
        System.out.println(speed(seconds, totals.tokens(), measurements));
        if (!problems.isEmpty()) {
            System.out.println("skipped " + totals.skipped() + ", for example:");
            problems.forEach(problem -> System.out.println("  " + problem));
        }
        return totals;
    }

    /** How fast it went, as a line for the console. */
    private static String speed(double seconds, long tokens, Measurements measurements) {
        return String.format(
                Locale.ROOT,
                "%.1f s, %,.0f tokens/s in all, %,.0f positions/s a device from its first batch to its last (%s, attention %s)",
                seconds,
                tokens / seconds,
                measurements.positionsPerDeviceSecond(),
                measurements.devices(),
                measurements.attention());
    }

    /**
     * The content of summary.json. Everything but the duration is the same for the same checkpoint, data and options.
     */
    private static ObjectNode summary(Work work, Evaluation.Totals totals, List<String> problems) {
        ObjectNode summary = JsonNodeFactory.instance.objectNode();
        summary.put("checkpoint", work.subject().directory().toString())
                .put("step", work.subject().state().step())
                .put("block_size", work.subject().config().model().blockSize())
                .put("stride", work.scoring().stride());
        totals.describe(summary);
        problems.forEach(summary.putArray("skipped_examples")::add);
        return summary;
    }

    private static ScoringSettings scoring(
            EvaluateOptions options, EvaluatedCheckpoint subject, Evaluation evaluation) {
        int block = subject.config().model().blockSize();
        int stride = options.stride().orElse(block);
        if (stride > block) {
            throw new ConfigException(
                    "--stride is %d, but windows are block_size %d long; set it between 1 and %d",
                    stride, block, block);
        }
        DeviceSettings hardware = options.hardware();
        return new ScoringSettings(
                subject.directory().toString(),
                hardware.device(),
                hardware.precision().orThatOf(subject.config().train().precision()),
                hardware.attention(),
                options.batch().orElse(subject.config().train().microBatch()),
                stride,
                evaluation.windowTokens(
                        block, bytesPerToken(subject.config().data().tokenizer())),
                options.tasks().skipBad());
    }

    /** The approximate number of bytes of English text per token. */
    static int bytesPerToken(TokenizerKind tokenizer) {
        return switch (tokenizer) {
            case CHAR -> 1;
            case GPT2, BPE -> 4;
        };
    }
}
