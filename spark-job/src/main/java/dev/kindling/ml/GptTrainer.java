package dev.kindling.ml;

import dev.kindling.checkpoint.NamedCheckpoint;
import dev.kindling.checkpoint.WhichCheckpoint;
import dev.kindling.config.ConfigException;
import dev.kindling.config.TrainConfig;
import dev.kindling.job.PreparedCorpus;
import dev.kindling.job.Training;
import dev.kindling.job.TrainingSettings;
import dev.kindling.prepare.TableText;
import dev.kindling.report.TrainingWatcher;
import dev.kindling.run.OwnedRun;
import dev.kindling.run.RunDirectory;
import dev.kindling.run.StartingPoint;
import dev.kindling.session.SparkSessions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkContext;
import org.apache.spark.ml.Estimator;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWritable;
import org.apache.spark.ml.util.Identifiable;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.BooleanType;
import org.apache.spark.sql.types.StructType;

/**
 * Trains a GPT on a column of text, as a Spark ML estimator: {@code fit} does what the command {@code train} does, in the
 * Spark application that the table is of. Every key of a configuration is a param ({@code explainParams} lists them). The
 * rows are tokenised on the executors first; those that validate are rows of their own ({@code setValidationIndicatorCol},
 * {@code setEvalDataset}), or the last {@code valFraction} of the text. Each fit leaves a run directory with metrics and
 * checkpoints, and its model is the best checkpoint by validation loss.
 */
public final class GptTrainer extends Estimator<GptModel> implements DefaultParamsWritable {
    private static final long serialVersionUID = 1L;

    private static final Object TURNS = new Object();

    private final String uid;
    private final TrainingParams training;
    private final ColumnParams columns;
    private final Param<String> validationIndicatorCol;
    private final Param<String> runDirectory;
    private final Param<String> config;
    private transient Dataset<Row> evalDataset; // null where none is set

    public GptTrainer() {
        this(Identifiable.randomUID("gpt"));
    }

    public GptTrainer(String uid) {
        this.uid = uid;
        training = new TrainingParams(this);
        columns = new ColumnParams(this);
        validationIndicatorCol = new Param<>(
                uid, "validationIndicatorCol", "boolean column; rows where it is true validate", String.class);
        runDirectory = new Param<>(
                uid,
                "runDirectory",
                "folder for run directories, one for each fit, where all executors can read and write",
                String.class);
        config = new Param<>(
                uid,
                "config",
                "configuration for params that are not set: a YAML file or a built-in name",
                String.class);
        setDefault(runDirectory, "runs");
    }

    @Override
    public String uid() {
        return uid;
    }

    @Override
    public Param<?>[] params() {
        return Stream.of(training.all(), columns.all(), List.of(validationIndicatorCol, runDirectory, config))
                .flatMap(List::stream)
                .sorted((a, b) -> a.name().compareTo(b.name()))
                .toArray(Param<?>[]::new);
    }

    private GptTrainer with(String param, Object value) {
        set(getParam(param), value);
        return this;
    }

    /** Sets any param by its name; {@code explainParams} lists them. */
    public GptTrainer setParam(String name, Object value) {
        Param<Object> param = getParam(name);
        return with(name, TrainingParams.typed(param, value));
    }

    public IntParam maxIter() {
        return (IntParam) training.of("train.max_steps");
    }

    public DoubleParam stepSize() {
        return (DoubleParam) training.of("train.lr");
    }

    public LongParam seed() {
        return (LongParam) training.of("train.seed");
    }

    public String getTextCol() {
        return columns.get(columns.text);
    }

    public GptTrainer setTextCol(String column) {
        return with("textCol", column);
    }

    /** Rows where this boolean column is true validate, and do not train. */
    public GptTrainer setValidationIndicatorCol(String column) {
        return with("validationIndicatorCol", column);
    }

    /** A table whose text validates; all rows of the table that is fitted train. It is not saved with the trainer. */
    public GptTrainer setEvalDataset(Dataset<?> dataset) {
        evalDataset = dataset.toDF();
        return this;
    }

    /** Evaluations without a new lowest validation loss after which training ends; 0: never. */
    public GptTrainer setEarlyStoppingRounds(int rounds) {
        return with("earlyStoppingRounds", rounds);
    }

    /** Executors that train, a rank each; 0: all that the application has. */
    public GptTrainer setNumWorkers(int workers) {
        return with("numWorkers", workers);
    }

    /** Steps of the optimizer. */
    public GptTrainer setMaxIter(int steps) {
        return with("maxIter", steps);
    }

    public int getMaxIter() {
        return (Integer) getOrDefault(maxIter());
    }

    /** The highest learning rate. */
    public GptTrainer setStepSize(double rate) {
        return with("stepSize", rate);
    }

    public double getStepSize() {
        return (Double) getOrDefault(stepSize());
    }

    public GptTrainer setSeed(long seed) {
        return with("seed", seed);
    }

    /** {@code char} or {@code gpt2}. */
    public GptTrainer setTokenizer(String tokenizer) {
        return with("tokenizer", tokenizer);
    }

    /** The folder in which each fit makes a run directory. */
    public GptTrainer setRunDirectory(String folder) {
        return with("runDirectory", folder);
    }

    public String getRunDirectory() {
        return getOrDefault(runDirectory);
    }

    /** The configuration that gives the values of params that are not set. */
    public GptTrainer setConfig(String location) {
        return with("config", location);
    }

    @Override
    public StructType transformSchema(StructType schema) {
        requireOneDivision(schema);
        return columns.added(schema);
    }

    private void requireOneDivision(StructType schema) {
        boolean indicated = isSet(validationIndicatorCol);
        boolean divided = isSet(training.of("data.val_fraction"));
        if (Stream.of(indicated, evalDataset != null, divided)
                        .filter(said -> said)
                        .count()
                > 1) {
            throw new ConfigException(
                    "of setValidationIndicatorCol, setEvalDataset and valFraction each says what validates;"
                            + " leave all but one out");
        }
        String column = indicated ? getOrDefault(validationIndicatorCol) : null;
        if (indicated
                && Stream.of(schema.fields())
                        .noneMatch(field -> field.name().equals(column) && field.dataType() instanceof BooleanType)) {
            throw new ConfigException(
                    "validationIndicatorCol is %s, which is no boolean column of the table; name one, or compute it",
                    column);
        }
    }

    /** Trains. Fits at the same time, of a {@code CrossValidator}, take turns, as each uses all executors. */
    @Override
    public GptModel fit(Dataset<?> dataset) {
        transformSchema(dataset.schema());
        try {
            synchronized (TURNS) {
                return train(dataset.toDF(), System.nanoTime());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }

    private GptModel train(Dataset<Row> dataset, long began) throws IOException {
        SparkContext spark = dataset.sparkSession().sparkContext();
        Configuration hadoop = spark.hadoopConfiguration();
        RunDirectory run = RunDirectory.at(
                getRunDirectory() + "/" + uid + "-"
                        + UUID.randomUUID().toString().substring(0, 8),
                hadoop);
        TrainConfig own = training.config(
                        this, isSet(config) ? Optional.of(getOrDefault(config)) : Optional.empty(), spark)
                .withData(data -> data.withCorpus(run.shards().toString()));
        TrainingSettings.requireEnoughMicroBatches(own);
        run.require(false);
        StartingPoint start = run.start(own, false);
        try (OwnedRun owned = run.own(start.config(), false);
                SparkSessions.Application application =
                        SparkSessions.openForBarriers("fit", own.cluster().allExecutors(), 0)) {
            PreparedCorpus.ofTables(tables(dataset), own.data(), start.vocabulary(), run.shards());
            Training.run(start, run, owned, new Training.Watched(application.spark(), TrainingWatcher.NONE), began);
        }
        String best = NamedCheckpoint.of(run.path(), WhichCheckpoint.BEST, hadoop)
                .directory()
                .toString();
        return model(best).setParent(this);
    }

    /** Of a checkpoint, with what is set here for its columns, device, attention, precision and seed. */
    GptModel model(String checkpoint) {
        GptModel model = copyValues(new GptModel(uid, checkpoint), new ParamMap());
        model.clear(
                model.getParam("precision")); // that of training is in the checkpoint, and FP8 is for training alone
        return model;
    }

    private PreparedCorpus.Tables tables(Dataset<Row> dataset) {
        Dataset<Row> train = dataset;
        Dataset<Row> validation = evalDataset;
        if (evalDataset != null) {
            TableText.requireText(evalDataset.schema(), getTextCol(), "textCol");
        } else if (isSet(validationIndicatorCol)) {
            var validates =
                    functions.coalesce(TableText.named(getOrDefault(validationIndicatorCol)), functions.lit(false));
            train = dataset.filter(functions.not(validates));
            validation = dataset.filter(validates);
        }
        boolean skip = !columns.invalid().equals(ColumnParams.ERROR);
        return new PreparedCorpus.Tables(
                new TableText(train, getTextCol(), skip),
                Optional.ofNullable(validation).map(table -> new TableText(table, getTextCol(), skip)),
                "column " + getTextCol() + " of the table that was fitted");
    }

    @Override
    public GptTrainer copy(ParamMap extra) {
        GptTrainer copied = defaultCopy(extra);
        copied.evalDataset = evalDataset;
        return copied;
    }

    /** Of what {@code save} has written. */
    public static MLReader<GptTrainer> read() {
        return new DefaultParamsReader<>();
    }

    /** The same, at once. */
    public static GptTrainer load(String path) {
        return read().load(path);
    }
}
