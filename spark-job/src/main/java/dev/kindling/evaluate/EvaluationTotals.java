package dev.kindling.evaluate;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.sum;

import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * The sums over a table of {@link DocumentScores}, the same to the last bit in whatever order it is read.
 *
 * @param documents how many were scored
 * @param skipped how many could not be scored
 * @param tokens how many were scored
 * @param bytes of UTF-8 of those tokens
 * @param nats the sum of all losses
 */
public record EvaluationTotals(long documents, long skipped, long tokens, long bytes, double nats) {

    /** Adds up {@code nats} exactly, as the whole numbers of units that the tasks counted. */
    public static EvaluationTotals of(Dataset<Row> scores) {
        Row row = scores.agg(
                        count(col(DocumentScores.NATS)),
                        count(col(DocumentScores.SKIPPED)),
                        sum(DocumentScores.TOKENS),
                        sum(DocumentScores.BYTES),
                        sum(col(DocumentScores.NATS)
                                .multiply(lit(PassageScore.UNITS))
                                .cast("decimal(28,0)")))
                .first();
        if (row.getLong(0) == 0) {
            return new EvaluationTotals(0, row.getLong(1), 0, 0, 0);
        }
        return new EvaluationTotals(
                row.getLong(0), row.getLong(1), row.getLong(2), row.getLong(3), PassageScore.nats(row.getDecimal(4)));
    }

    /** Mean loss, in nats per token. */
    public double loss() {
        return nats / tokens;
    }

    public double perplexity() {
        return Math.exp(loss());
    }

    public double bitsPerByte() {
        return nats / (Math.log(2) * bytes);
    }
}
