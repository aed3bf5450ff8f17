package dev.kindling.evaluate;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.exp;
import static org.apache.spark.sql.functions.when;

import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Scores documents in an ordinary Spark job, whose tasks may run anywhere, in any number, and again. Each document
 * gives one row: id, tokens and bytes scored, nats (the sum of losses), loss (nats per token), perplexity = exp(loss),
 * bits_per_byte = nats / (ln 2 * bytes), and skipped, which is null or says why the document could not be scored; then
 * all numbers are null.
 */
public final class DocumentScores {
    static final String TOKENS = "tokens";
    static final String BYTES = "bytes";
    static final String NATS = "nats";
    static final String SKIPPED = "skipped";
    private static final String ID = "id";
    private static final String LOSS = "loss";

    private static final StructType SUMS = new StructType()
            .add(ID, DataTypes.StringType, false)
            .add(TOKENS, DataTypes.LongType, false)
            .add(BYTES, DataTypes.LongType, false)
            .add(NATS, DataTypes.DoubleType, false)
            .add(SKIPPED, DataTypes.StringType, true);

    private DocumentScores() {}

    /**
     * The rows of all documents; computed when an action asks for them. The tasks that score do not go through SQL,
     * whose code a cold JVM would have to compile while the device waits.
     *
     * @param tasks how the work is divided, and how to score
     */
    public static Dataset<Row> of(EvaluationData documents, SparkSession session, Tasks tasks) {
        PassageScoring scoring = new PassageScoring(tasks.scoring(), tasks.measurements());
        JavaRDD<Row> sums = documents
                .passages(session, tasks.partitions(), tasks.slots())
                .mapPartitionsToPair(scoring::scores)
                .reduceByKey(PassageScore::plus, tasks.slots())
                .values()
                .map(DocumentScores::row);
        return session.createDataFrame(sums, SUMS)
                .select(col(ID), scored(TOKENS), scored(BYTES), scored(NATS), col(SKIPPED))
                .withColumn(LOSS, col(NATS).divide(col(TOKENS)))
                .withColumn("perplexity", exp(col(LOSS)))
                .withColumn("bits_per_byte", col(NATS).divide(col(BYTES).multiply(Math.log(2))))
                .select(ID, TOKENS, BYTES, NATS, LOSS, "perplexity", "bits_per_byte", SKIPPED);
    }

    private static Row row(PassageScore sum) {
        return RowFactory.create(sum.id(), sum.tokens(), sum.bytes(), sum.loss(), sum.problem());
    }

    private static Column scored(String name) {
        return when(col(SKIPPED).isNull(), col(name)).as(name);
    }

    /**
     * How the work is divided and scored.
     *
     * @param partitions number of tasks; 0 for as many as suit the data
     * @param slots tasks that can run at the same time
     */
    public record Tasks(ScoringSettings scoring, Measurements measurements, int partitions, int slots) {}
}
