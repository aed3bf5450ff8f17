package dev.kindling.ml;

import dev.kindling.prepare.TableText;
import org.apache.spark.ml.evaluation.Evaluator;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWritable;
import org.apache.spark.ml.util.Identifiable;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;

/**
 * The mean of a column of a transformed table over its rows, nulls passed over: by default the loss, of which less is
 * better. For {@code CrossValidator} and {@code TrainValidationSplit}.
 */
public final class LossEvaluator extends Evaluator implements DefaultParamsWritable {
    private static final long serialVersionUID = 1L;

    private final String uid;
    private final Param<String> predictionCol;

    public LossEvaluator() {
        this(Identifiable.randomUID("lossEvaluator"));
    }

    public LossEvaluator(String uid) {
        this.uid = uid;
        predictionCol = new Param<>(uid, "predictionCol", "column of losses, less is better", String.class);
        setDefault(predictionCol, "loss");
    }

    @Override
    public String uid() {
        return uid;
    }

    @Override
    public Param<?>[] params() {
        return new Param<?>[] {predictionCol};
    }

    public Param<String> predictionCol() {
        return predictionCol;
    }

    public String getPredictionCol() {
        return getOrDefault(predictionCol);
    }

    public LossEvaluator setPredictionCol(String column) {
        set(predictionCol, column);
        return this;
    }

    @Override
    public double evaluate(Dataset<?> dataset) {
        Row mean = dataset.select(functions.avg(TableText.named(getPredictionCol())))
                .toDF()
                .first();
        if (mean.isNullAt(0)) {
            throw new IllegalArgumentException(
                    "column " + getPredictionCol() + " holds no loss in any row; give a table with text");
        }
        return mean.getDouble(0);
    }

    @Override
    public boolean isLargerBetter() {
        return false;
    }

    @Override
    public LossEvaluator copy(ParamMap extra) {
        return defaultCopy(extra);
    }

    /** Of what {@code save} has written. */
    public static MLReader<LossEvaluator> read() {
        return new DefaultParamsReader<>();
    }

    /** The same, at once. */
    public static LossEvaluator load(String path) {
        return read().load(path);
    }
}
