package dev.kindling.evaluate;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.exp;
import static org.apache.spark.sql.functions.min;
import static org.apache.spark.sql.functions.sum;
import static org.apache.spark.sql.functions.when;

import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Scores documents in an ordinary Spark job: tasks may run anywhere, in any number, and again. Each document gives one
 * row: id, tokens and bytes scored, nats (the sum of losses), loss (nats a token), perplexity = exp(loss), bits_per_byte
 * = nats / (ln 2 bytes), and skipped: null, or why it could not be scored, when all numbers are null.
 */
public final class DocumentScores {
    static final String SKIPPED = "skipped";
    static final String NATS = "nats";
    private static final String LOSS = "loss";

    private DocumentScores() {}

    /**
     * The rows of all documents; computed when an action asks for them.
     *
     * @param tasks how the work is divided and scored
     */
    public static Dataset<Row> of(Documents documents, SparkSession session, Tasks tasks) {
        PassageScoring scoring = new PassageScoring(tasks.scoring(), tasks.measurements());
        JavaRDD<Row> passages =
                documents.passages(session, tasks.partitions(), tasks.slots()).mapPartitions(scoring::rows);
        return session.createDataFrame(passages, PassageRow.SCHEMA)
                .groupBy(PassageRow.KEY)
                .agg(
                        min(PassageRow.ID).as(PassageRow.ID),
                        sum(PassageRow.TOKENS).as(PassageRow.TOKENS),
                        sum(PassageRow.BYTES).as(PassageRow.BYTES),
                        sum(PassageRow.UNITS).divide(Tally.UNITS).as(NATS),
                        min(PassageRow.PROBLEM).as(SKIPPED))
                .select(
                        col(PassageRow.ID),
                        scored(PassageRow.TOKENS),
                        scored(PassageRow.BYTES),
                        scored(NATS),
                        col(SKIPPED))
                .withColumn(LOSS, col(NATS).divide(col(PassageRow.TOKENS)))
                .withColumn("perplexity", exp(col(LOSS)))
                .withColumn(
                        "bits_per_byte", col(NATS).divide(col(PassageRow.BYTES).multiply(Math.log(2))))
                .select(
                        PassageRow.ID,
                        PassageRow.TOKENS,
                        PassageRow.BYTES,
                        NATS,
                        LOSS,
                        "perplexity",
                        "bits_per_byte",
                        SKIPPED);
    }

    private static Column scored(String name) {
        return when(col(SKIPPED).isNull(), col(name)).as(name);
    }

    /**
     * How to divide the work.
     *
     * @param partitions 0 for as many as suit the data
     * @param slots tasks that run at once
     */
    public record Tasks(Scoring scoring, Measurements measurements, int partitions, int slots) {}
}
