package dev.kindling.evaluate;

import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.get;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.sum;

import java.math.BigDecimal;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * The sums over a table of {@link ItemScores}, the same to the last bit in whatever order it is read.
 *
 * @param items how many were scored
 * @param skipped how many could not be scored
 * @param truncated how many lost some of their context
 * @param tokens how many were scored, over all endings
 * @param acc how many are right
 * @param accNorm how many are right by log-likelihood per character
 * @param accBytes how many are right by log-likelihood per byte
 * @param firstLogLikelihood the sum over the items' first endings, in nats
 */
public record ItemTotals(
        long items,
        long skipped,
        long truncated,
        long tokens,
        long acc,
        long accNorm,
        long accBytes,
        double firstLogLikelihood) {

    public static ItemTotals of(Dataset<Row> scores) {
        Column first = get(col(ItemScores.LOG_LIKELIHOODS), lit(0));
        Row row = scores.agg(
                        count(col(ItemScores.ACC)),
                        count(col(ItemScores.SKIPPED)),
                        total(col(ItemScores.TRUNCATED).cast("int")),
                        total(col(ItemScores.TOKENS)),
                        total(col(ItemScores.ACC)),
                        total(col(ItemScores.ACC_NORM)),
                        total(col(ItemScores.ACC_BYTES)),
                        sum(first.multiply(lit(PassageScore.UNITS)).cast("decimal(28,0)")))
                .first();
        BigDecimal units = row.isNullAt(7) ? BigDecimal.ZERO : row.getDecimal(7);
        return new ItemTotals(
                row.getLong(0),
                row.getLong(1),
                row.getLong(2),
                row.getLong(3),
                row.getLong(4),
                row.getLong(5),
                row.getLong(6),
                PassageScore.nats(units));
    }

    private static Column total(Column values) {
        return coalesce(sum(values), lit(0L));
    }

    /** The share of items that {@code right} of them are. */
    public double share(long right) {
        return (double) right / items;
    }

    /** The standard error of such a share: the sample's deviation over the square root of its size; NaN for one item. */
    public double standardError(long right) {
        double share = share(right);
        return Math.sqrt(share * (1 - share) / (items - 1));
    }

    /** Of the items' first endings, each as a whole: exp of minus the mean log-likelihood. */
    public double perplexity() {
        return Math.exp(-firstLogLikelihood / items);
    }
}
