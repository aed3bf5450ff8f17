package dev.kindling.evaluate;

import dev.kindling.evaluate.item.Item;
import dev.kindling.evaluate.item.ItemFile;
import dev.kindling.evaluate.item.ItemLayout;
import dev.kindling.input.FileList;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Scores the items of a task in an ordinary Spark job, each in one task's output. A row an item: id, label, log_likelihoods
 * (of every ending given the context, in nats), acc, acc_norm and acc_bytes (1 where the ending of the highest log-likelihood
 * is the right one: of its sum, of that divided by the ending's characters, and by its bytes of UTF-8), tokens scored,
 * truncated (whether context was cut on the left), and skipped, which is null or says why the item could not be scored; then
 * all numbers are null. Where there is one ending, acc is 1 if each of its tokens is the model's likeliest, and acc_norm and
 * acc_bytes are null.
 */
public final class ItemScores {
    static final String LOG_LIKELIHOODS = "log_likelihoods";
    static final String ACC = "acc";
    static final String ACC_NORM = "acc_norm";
    static final String ACC_BYTES = "acc_bytes";
    static final String TOKENS = "tokens";
    static final String TRUNCATED = "truncated";
    static final String SKIPPED = "skipped";

    static final StructType SCHEMA = new StructType()
            .add("id", DataTypes.StringType, false)
            .add("label", DataTypes.IntegerType)
            .add(LOG_LIKELIHOODS, DataTypes.createArrayType(DataTypes.DoubleType, false))
            .add(ACC, DataTypes.IntegerType)
            .add(ACC_NORM, DataTypes.IntegerType)
            .add(ACC_BYTES, DataTypes.IntegerType)
            .add(TOKENS, DataTypes.LongType)
            .add(TRUNCATED, DataTypes.BooleanType)
            .add(SKIPPED, DataTypes.StringType);

    private ItemScores() {}

    /** The rows of all items; computed when an action asks for them. */
    public static Dataset<Row> of(ItemFile items, SparkSession session, DocumentScores.Tasks tasks) {
        Segments segments = Segments.of(FileList.of(items.file()));
        ItemScoring scoring = new ItemScoring(
                tasks.scoring(), tasks.measurements(), items.layout().choice());
        EvaluationData.Division<Item> division = (task, of) -> share(segments.part(task, of), items.layout());
        FlatMapFunction<Iterator<Item>, Row> scores = scoring::scores;
        return session.createDataFrame(
                EvaluationData.divided(segments.count(), division, session, tasks.partitions(), tasks.slots())
                        .mapPartitions(scores),
                SCHEMA);
    }

    private static EvaluationData.Share<Item> share(Segments part, ItemLayout layout) {
        return () -> part.items(layout);
    }

    static Row row(ItemLoss loss) {
        String id = loss.item().id();
        if (loss.problem() != null) {
            return RowFactory.create(id, null, null, null, null, null, null, null, loss.problem());
        }
        boolean choice = loss.choice();
        int label = loss.item().label();
        Object[] logLikelihoods = loss.logLikelihoods().toArray();
        return RowFactory.create(
                id,
                label,
                logLikelihoods,
                bit(choice ? loss.chosen(text -> 1) == label : loss.greedy()),
                choice ? bit(loss.chosen(ItemScores::characters) == label) : null,
                choice ? bit(loss.chosen(ItemScores::bytes) == label) : null,
                loss.tokens(),
                loss.truncated(),
                null);
    }

    private static Integer bit(boolean right) {
        return right ? 1 : 0;
    }

    private static double characters(String text) {
        return text.codePointCount(0, text.length());
    }

    private static double bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }
}
