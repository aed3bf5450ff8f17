package dev.kindling.ml;

import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.config.TrainConfig;
import dev.kindling.evaluate.Measurements;
import dev.kindling.evaluate.ScoringSettings;
import dev.kindling.evaluate.TextScores;
import dev.kindling.generate.GenerationSettings;
import dev.kindling.generate.TextCompletions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.ml.Model;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.Identifiable;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;

/**
 * A trained model as a Spark ML transformer: adds to each row how well the model predicts its text ({@code loss}, {@code
 * perplexity}, {@code bits_per_byte}), and where {@code completionCol} is set how it continues the text. Rows stream
 * through the tasks, which compute on the GPUs that Spark gives them, else on the CPU.
 */
public final class GptModel extends Model<GptModel> implements MLWritable {
    private static final long serialVersionUID = 1L;

    private final String uid;
    private final String checkpoint; // null in a model that is only a name, for readers and copies
    private final ColumnParams columns;
    private final InferenceParams inference;

    /** A model without weights, as Spark ML's readers and Spark Connect make one. */
    public GptModel() {
        this(Identifiable.randomUID("gpt"));
    }

    /** The same, by its uid. */
    public GptModel(String uid) {
        this(uid, null);
    }

    /**
     * A model of weights.
     *
     * @param checkpoint a checkpoint's directory, where the driver and all executors can read it
     */
    public GptModel(String uid, String checkpoint) {
        this.uid = uid;
        this.checkpoint = checkpoint;
        columns = new ColumnParams(this);
        inference = new InferenceParams(this);
    }

    @Override
    public String uid() {
        return uid;
    }

    @Override
    public Param<?>[] params() {
        return Stream.of(columns.all(), inference.all())
                .flatMap(List::stream)
                .sorted((a, b) -> a.name().compareTo(b.name()))
                .toArray(Param<?>[]::new);
    }

    private GptModel with(String param, Object value) {
        set(getParam(param), value);
        return this;
    }

    /** The directory of the weights. */
    public String checkpoint() {
        if (checkpoint == null) {
            throw new IllegalStateException(uid + " has no weights; fit a GptTrainer, or load a saved model");
        }
        return checkpoint;
    }

    public String getTextCol() {
        return columns.get(columns.text);
    }

    public GptModel setTextCol(String column) {
        return with("textCol", column);
    }

    public GptModel setLossCol(String column) {
        return with("lossCol", column);
    }

    public GptModel setPerplexityCol(String column) {
        return with("perplexityCol", column);
    }

    public GptModel setBitsPerByteCol(String column) {
        return with("bitsPerByteCol", column);
    }

    public GptModel setCompletionCol(String column) {
        return with("completionCol", column);
    }

    /** {@code error}, {@code skip} or {@code keep}. */
    public GptModel setHandleInvalid(String way) {
        return with("handleInvalid", way);
    }

    /** Texts side by side in a pass; 0 for the micro-batch of training. */
    public GptModel setBatchSize(int texts) {
        return with("batchSize", texts);
    }

    /** The most tokens of a completion. */
    public GptModel setMaxTokens(int tokens) {
        return with("maxTokens", tokens);
    }

    public GptModel setTemperature(double temperature) {
        return with("temperature", temperature);
    }

    public GptModel setTopK(int k) {
        return with("topK", k);
    }

    public GptModel setTopP(double p) {
        return with("topP", p);
    }

    /** Strings before the first of which a completion ends. */
    public GptModel setStopStrings(String... strings) {
        return with("stopStrings", strings);
    }

    public GptModel setSeed(long seed) {
        return with("seed", seed);
    }

    @Override
    public StructType transformSchema(StructType schema) {
        inference.require();
        return columns.added(schema);
    }

    @Override
    public Dataset<Row> transform(Dataset<?> dataset) {
        transformSchema(dataset.schema());
        Dataset<Row> rows = dataset.toDF();
        SparkContext spark = rows.sparkSession().sparkContext();
        boolean skip = columns.invalid().equals(ColumnParams.SKIP);
        if (columns.scores()) {
            RowTransform transform = new RowTransform(position(rows), skip);
            TextScores scores = new TextScores(scoring(spark.hadoopConfiguration()), new Measurements(spark));
            boolean[] wanted = {
                columns.has(columns.loss), columns.has(columns.perplexity), columns.has(columns.bitsPerByte)
            };
            MapPartitionsFunction<Row, Row> score = share -> transform.scored(share, scores, wanted);
            rows = rows.mapPartitions(score, Encoders.row(columns.scored(rows.schema())));
        }
        if (columns.has(columns.completion)) {
            RowTransform transform = new RowTransform(position(rows), skip);
            TextCompletions completions = new TextCompletions(
                    generation(spark.hadoopConfiguration()), !columns.invalid().equals(ColumnParams.ERROR));
            MapPartitionsFunction<Row, Row> complete = share -> transform.completed(share, completions);
            rows = rows.mapPartitions(complete, Encoders.row(columns.completed(rows.schema())));
        }
        return rows;
    }

    private int position(Dataset<Row> rows) {
        return rows.schema().fieldIndex(getTextCol());
    }

    private ScoringSettings scoring(Configuration hadoop) {
        TrainConfig config = trained(hadoop);
        return new ScoringSettings(
                checkpoint(),
                inference.device(),
                inference.precision(config),
                inference.attention(),
                batch(config),
                config.model().blockSize(),
                0,
                !columns.invalid().equals(ColumnParams.ERROR));
    }

    private GenerationSettings generation(Configuration hadoop) {
        TrainConfig config = trained(hadoop);
        GenerationSettings.ModelChoice model = new GenerationSettings.ModelChoice(
                checkpoint(), inference.device(), inference.precision(config), inference.attention(), batch(config));
        return new GenerationSettings(
                model,
                inference.sampling(),
                inference.whole(inference.maxTokens),
                List.of(getOrDefault(inference.stopStrings)),
                1,
                (Long) getOrDefault(inference.seed));
    }

    private int batch(TrainConfig config) {
        int asked = inference.whole(inference.batchSize);
        return asked == 0 ? config.train().microBatch() : asked;
    }

    private TrainConfig trained(Configuration hadoop) {
        Path directory = new Path(checkpoint());
        try {
            return TrainConfig.fromTree(
                    CheckpointStore.around(directory, hadoop)
                            .loadState(directory)
                            .config(),
                    directory + "/state.json");
        } catch (IOException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }

    @Override
    public GptModel copy(ParamMap extra) {
        GptModel copied = copyValues(new GptModel(uid, checkpoint), extra);
        return copied.setParent(parent());
    }

    @Override
    public MLWriter write() {
        return new SavedGptModel.Writer(this);
    }

    /** Of what {@code save} has written. */
    public static MLReader<GptModel> read() {
        return new SavedGptModel.Reader();
    }

    /** The same, at once. */
    public static GptModel load(String path) {
        return read().load(path);
    }
}
