package dev.kindling.job;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.data.DataException;
import dev.kindling.evaluate.DocumentScores;
import dev.kindling.evaluate.EvaluationData;
import dev.kindling.evaluate.EvaluationTotals;
import dev.kindling.input.Named;
import dev.kindling.input.TextInput;
import dev.kindling.job.options.EvaluateOptions;
import dev.kindling.prepare.ShardPreparation;
import java.io.IOException;
import java.util.Locale;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Documents: text files, rows of a table, or a split of the checkpoint's run.
 *
 * @param data what was evaluated, as summary.json names it
 * @param shards that the split is of
 */
record DocumentEvaluation(String data, EvaluationData documents, Optional<Path> shards) implements Evaluation {

    /** @param out the results, which may not be in the folder that is read */
    static DocumentEvaluation of(EvaluateOptions options, EvaluatedCheckpoint subject, Path out, Configuration hadoop)
            throws IOException {
        EvaluateOptions.Data data = options.data();
        if (data.path().isPresent()) {
            Named named = Named.data(data.path().get(), data.column(), data.idColumn());
            EvaluationData documents = EvaluationData.of(TextInput.of(named, hadoop));
            named.requireOutside(out, hadoop);
            return new DocumentEvaluation(data.path().get(), documents, Optional.empty());
        }
        String split = data.split().orElseThrow();
        boolean asTraining = options.stride().isEmpty();
        int windows = subject.config().train().evalBatches()
                * subject.config().train().microBatch();
        String shards = subject.shards(hadoop);
        return new DocumentEvaluation(
                "split " + split,
                EvaluationData.split(shards, split, asTraining ? windows : 0),
                Optional.of(new Path(shards)));
    }

    @Override
    public int windowTokens(int block, int bytesPerToken) {
        return documents.windowTokens(block, bytesPerToken);
    }

    @Override
    public String table() {
        return "documents";
    }

    @Override
    public Dataset<Row> scores(SparkSession session, DocumentScores.Tasks tasks) throws IOException {
        if (shards.isPresent()) {
            new ShardPreparation(JavaSparkContext.fromSparkContext(session.sparkContext())).openChecked(shards.get());
        }
        return DocumentScores.of(documents, session, tasks);
    }

    @Override
    public Totals totals(Dataset<Row> written) {
        EvaluationTotals totals = EvaluationTotals.of(written);
        if (totals.documents() == 0) {
            throw totals.skipped() == 0
                    ? new DataException("there are no documents to evaluate; check --data")
                    : Evaluation.nothingScored("documents", totals.skipped(), written);
        }
        return new Sums(data, totals);
    }

    private record Sums(String data, EvaluationTotals totals) implements Totals {
        @Override
        public long tokens() {
            return totals.tokens();
        }

        @Override
        public void describe(ObjectNode summary) {
            summary.put("data", data)
                    .putObject("totals")
                    .put("documents", totals.documents())
                    .put("skipped", totals.skipped())
                    .put("tokens", totals.tokens())
                    .put("bytes", totals.bytes())
                    .put("loss", totals.loss())
                    .put("perplexity", totals.perplexity())
                    .put("bits_per_byte", totals.bitsPerByte());
        }

        @Override
        public String line() {
            return String.format(
                    Locale.ROOT,
                    "evaluated %,d document(s), %,d tokens: loss %.6f, perplexity %.4f, %.4f bits per byte",
                    totals.documents(),
                    totals.tokens(),
                    totals.loss(),
                    totals.perplexity(),
                    totals.bitsPerByte());
        }

        @Override
        public String skipped() {
            return totals.skipped() == 0 ? "" : String.format(Locale.ROOT, "%,d document(s)", totals.skipped());
        }
    }
}
