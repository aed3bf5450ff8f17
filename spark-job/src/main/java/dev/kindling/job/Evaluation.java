package dev.kindling.job;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.data.DataException;
import dev.kindling.evaluate.DocumentScores;
import java.io.IOException;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** What a checkpoint is evaluated on: it gives a table, a row for each thing that is scored, and totals. */
interface Evaluation {
    int SHOWN_PROBLEMS = 5;

    /** The approximate mean length of windows of {@code block} tokens; 0 if that is not known. */
    int windowTokens(int block, int bytesPerToken);

    /** The name of the table's folder. */
    String table();

    /** The table, computed when an action asks for it. */
    Dataset<Row> scores(SparkSession session, DocumentScores.Tasks tasks) throws IOException;

    /**
     * Adds up the written table.
     *
     * @throws DataException if it holds no score
     */
    Totals totals(Dataset<Row> written);

    /** The results as a whole. */
    interface Totals {
        /** Tokens that were scored. */
        long tokens();

        /** Adds what is to stand in summary.json: what was evaluated, and the totals. */
        void describe(ObjectNode summary);

        /** One line for the console, without a line break. */
        String line();

        /** What was skipped, such as {@code 3 document(s)}; empty if nothing was. */
        String skipped();
    }

    /** The error where none of the {@code skipped} things, such as documents, has a score. */
    static DataException nothingScored(String things, long skipped, Dataset<Row> written) {
        return new DataException(
                "none of the %,d %s could be scored, the first because: %s",
                skipped, things, problems(written).get(0));
    }

    /** Why things were skipped: the first few reasons. */
    static List<String> problems(Dataset<Row> written) {
        return written.filter("skipped is not null").orderBy("id").limit(SHOWN_PROBLEMS).collectAsList().stream()
                .map(row -> row.<String>getAs("skipped"))
                .toList();
    }
}
