package dev.kindling.job;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.evaluate.DocumentScores;
import dev.kindling.evaluate.ItemScores;
import dev.kindling.evaluate.ItemTotals;
import dev.kindling.evaluate.item.ItemFile;
import dev.kindling.input.Named;
import java.io.IOException;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** The items of a task, such as HellaSwag's or LAMBADA's. */
record TaskEvaluation(String path, ItemFile items) implements Evaluation {

    static TaskEvaluation of(String path, Configuration hadoop) throws IOException {
        return new TaskEvaluation(path, ItemFile.of(Named.task(path), hadoop));
    }

    @Override
    public int windowTokens(int block, int bytesPerToken) {
        return 0;
    }

    @Override
    public String table() {
        return "items";
    }

    @Override
    public Dataset<Row> scores(SparkSession session, DocumentScores.Tasks tasks) {
        return ItemScores.of(items, session, tasks);
    }

    @Override
    public Totals totals(Dataset<Row> written) {
        ItemTotals totals = ItemTotals.of(written);
        if (totals.items() == 0) {
            throw Evaluation.nothingScored("items", totals.skipped(), written);
        }
        return new Sums(this, totals);
    }

    private record Sums(TaskEvaluation of, ItemTotals totals) implements Totals {
        @Override
        public long tokens() {
            return totals.tokens();
        }

        @Override
        public void describe(ObjectNode summary) {
            summary.put("task", of.path()).put("layout", of.items().layout().toString());
            ObjectNode sums = summary.putObject("totals")
                    .put("items", totals.items())
                    .put("skipped", totals.skipped())
                    .put("truncated", totals.truncated())
                    .put("tokens", totals.tokens());
            put(sums, "acc", totals.acc());
            if (of.items().layout().choice()) {
                put(sums, "acc_norm", totals.accNorm());
                put(sums, "acc_bytes", totals.accBytes());
            } else {
                sums.put("perplexity", totals.perplexity());
            }
        }

        private void put(ObjectNode sums, String name, long right) {
            sums.put(name, totals.share(right));
            if (totals.items() > 1) {
                sums.put(name + "_stderr", totals.standardError(right));
            }
        }

        @Override
        public String line() {
            String metrics = of.items().layout().choice()
                    ? String.format(
                            Locale.ROOT,
                            "acc %.4f, acc_norm %.4f",
                            totals.share(totals.acc()),
                            totals.share(totals.accNorm()))
                    : String.format(
                            Locale.ROOT, "acc %.4f, perplexity %.4f", totals.share(totals.acc()), totals.perplexity());
            String truncated = totals.truncated() == 0
                    ? ""
                    : String.format(Locale.ROOT, " (context cut on the left in %,d)", totals.truncated());
            return String.format(
                    Locale.ROOT,
                    "evaluated %,d item(s) of layout %s%s: %s",
                    totals.items(),
                    of.items().layout(),
                    truncated,
                    metrics);
        }

        @Override
        public String skipped() {
            return totals.skipped() == 0 ? "" : String.format(Locale.ROOT, "%,d item(s)", totals.skipped());
        }
    }
}
