package dev.kindling.ml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.config.ConfigException;
import dev.kindling.coordinate.EmbeddedCluster;
import dev.kindling.data.DataException;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import java.util.stream.Stream;
import org.apache.spark.ml.Estimator;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.ml.Transformer;
import org.apache.spark.ml.evaluation.Evaluator;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.tuning.CrossValidator;
import org.apache.spark.ml.tuning.CrossValidatorModel;
import org.apache.spark.ml.tuning.ParamGridBuilder;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The Spark ML stages in an application that Kindling has not started, on two executor processes of two cores. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(300)
class SparkMlIT {
    private static final StructType SCHEMA = new StructType()
            .add("id", DataTypes.LongType)
            .add("text", DataTypes.StringType)
            .add("held out", DataTypes.BooleanType);

    @TempDir
    private static Path folder;

    private SparkSession session;
    private Dataset<Row> table;

    @BeforeAll
    void open() {
        List<String> classPath = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .toList();
        EmbeddedCluster.linkJars(Path.of(System.getenv("SPARK_HOME"), "jars"), classPath);
        session = SparkSession.builder()
                .master("local-cluster[2,2,1024]")
                .appName("a notebook")
                .config("spark.executor.memory", "512m")
                .config("spark.executor.cores", "2")
                .config(
                        "spark.executor.extraClassPath",
                        String.join(
                                File.pathSeparator,
                                classPath.stream()
                                        .filter(entry -> !entry.endsWith(".jar"))
                                        .toList()))
                .config("spark.executor.extraJavaOptions", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1")
                .config("spark.sql.shuffle.partitions", "2")
                .config("spark.ui.enabled", "false")
                .getOrCreate();
        assertThat(session.sparkContext().getConf().contains("spark.plugins")).isFalse();
        String[] words = "the king and a queen did walk upon the night with sorrow in her heart".split(" ");
        List<Row> rows = new ArrayList<>();
        for (int row = 0; row < 120; row++) {
            StringBuilder text = new StringBuilder("ROMEO:\n");
            for (int word = 0; word < 12; word++) {
                text.append(words[(row * 7 + word * (1 + row % 3)) % words.length])
                        .append(' ');
            }
            rows.add(RowFactory.create((long) row, text.append('\n').toString(), row % 5 == 4));
        }
        String path = folder.resolve("table").toString();
        session.createDataFrame(rows, SCHEMA)
                .repartition(3)
                .sortWithinPartitions("id")
                .write()
                .parquet(path);
        table = session.read().parquet(path);
    }

    @AfterAll
    void stop() {
        session.stop();
    }

    private static GptTrainer trainer() {
        GptTrainer trainer = new GptTrainer()
                .setRunDirectory(folder.resolve("runs").toString())
                .setMaxIter(12)
                .setStepSize(3e-3)
                .setSeed(7);
        trainer.setParam("nLayer", 1);
        trainer.setParam("nHead", 2);
        trainer.setParam("nEmbd", 32);
        trainer.setParam("blockSize", 16);
        trainer.setParam("globalBatch", 8);
        trainer.setParam("microBatch", 2);
        trainer.setParam("warmupSteps", 2);
        trainer.setParam("evalInterval", 4);
        trainer.setParam("evalBatches", 2);
        trainer.setParam("checkpointInterval", 4);
        trainer.setParam("device", "cpu");
        return trainer;
    }

    private static double meanLoss(Dataset<Row> transformed) {
        return new LossEvaluator().evaluate(transformed);
    }

    @Test
    void aPipelineIsFittedSavedLoadedAndTransforms() throws IOException {
        Dataset<Row> renamed = table.withColumnRenamed("text", "the `text`");
        GptTrainer trainer = trainer().setTextCol("the `text`").setValidationIndicatorCol("held out");
        PipelineModel fitted =
                new Pipeline().setStages(new PipelineStage[] {trainer}).fit(renamed);
        Dataset<Row> transformed = fitted.transform(renamed).cache();
        assertThat(transformed.columns())
                .containsExactly("id", "the `text`", "held out", "loss", "perplexity", "bits_per_byte");
        assertThat(transformed.count()).isEqualTo(120);
        double loss = meanLoss(transformed);
        assertThat(loss).isBetween(0.5, 3.2); // ln 26 is that of a guess

        Row row = transformed.first();
        assertThat(row.<Double>getAs("perplexity")).isCloseTo(Math.exp(row.<Double>getAs("loss")), within(1e-9));

        String saved = folder.resolve("saved").toString();
        fitted.write().overwrite().save(saved);
        PipelineModel loaded = PipelineModel.load(saved);
        assertThat(meanLoss(loaded.transform(renamed))).isCloseTo(loss, within(1e-9));
        GptModel model = (GptModel) loaded.stages()[0];
        assertThat(model.checkpoint()).contains(saved).endsWith("checkpoint");
        assertThat(model.uid()).isEqualTo(trainer.uid());
        try (Stream<Path> files = Files.walk(Path.of(saved))) {
            assertThat(files.map(Path::getFileName).map(Path::toString))
                    .contains("model.safetensors", "state.json", "metadata");
        }

        GptModel writer = model.copy(ParamMap.empty()).setCompletionCol("more").setMaxTokens(5);
        Dataset<Row> one = writer.transform(renamed.filter("id < 8")).orderBy("id");
        assertThat(one.columns()).contains("loss", "more");
        List<String> more = one.select("more").as(Encoders.STRING()).collectAsList();
        assertThat(more).hasSize(8).allSatisfy(text -> assertThat(text).hasSize(5));
        List<String> again = writer.transform(renamed.filter("id < 8").repartition(3))
                .orderBy("id")
                .select("more")
                .as(Encoders.STRING())
                .collectAsList();
        assertThat(again).isEqualTo(more);
        assertThat(session.sparkContext().getLocalProperty("spark.job.interruptOnCancel"))
                .isNull();
    }

    @Test
    void aCrossValidatorFindsTheBetterOfTwoValues() throws IOException {
        GptTrainer trainer = trainer();
        CrossValidatorModel best = new CrossValidator()
                .setEstimator(trainer)
                .setEstimatorParamMaps(new ParamGridBuilder()
                        .addGrid(trainer.maxIter(), new int[] {1, 16})
                        .build())
                .setEvaluator(new LossEvaluator())
                .setNumFolds(2)
                .setSeed(3)
                .fit(table);
        assertThat(best.avgMetrics()[1]).isLessThan(best.avgMetrics()[0]);
        GptModel model = (GptModel) best.bestModel();
        assertThat(Path.of(URI.create(model.checkpoint()))
                        .getParent()
                        .getParent()
                        .resolve("config.yaml"))
                .content()
                .contains("max_steps: 16");
        String saved = folder.resolve("cross").toString();
        best.write().overwrite().save(saved);
        assertThat(meanLoss(CrossValidatorModel.load(saved).transform(table)))
                .isCloseTo(meanLoss(best.transform(table)), within(1e-9));
    }

    @Test
    void aTableToValidateOnEndsATrainingThatNoLongerImproves() throws IOException {
        GptTrainer trainer = trainer()
                .setEvalDataset(table.filter("id < 30"))
                .setMaxIter(5000)
                .setStepSize(1e-3)
                .setEarlyStoppingRounds(1);
        trainer.setParam("minLr", 0);
        trainer.setParam("lrDecaySteps", 4);
        trainer.setParam("warmupSteps", 0);
        GptModel model = trainer.fit(table.filter("id >= 30"));
        Path run = Path.of(URI.create(model.checkpoint())).getParent().getParent();
        List<String> metrics = Files.readAllLines(run.resolve("metrics.jsonl"));
        assertThat(metrics.size()).isLessThan(5000);
        assertThat(run.resolve("data/manifest.json")).content().contains("column text of the table");
        assertThat(run.resolve(".tables")).doesNotExist();
    }

    @Test
    void rowsWithoutTextAreAnErrorOrSkippedAsAsked() {
        Dataset<Row> holes = table.withColumn("text", functions.expr("if(id % 10 = 3, null, text)"));
        assertThatThrownBy(() -> trainer().fit(holes))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("column text holds a null");
        GptTrainer skipping = trainer().setMaxIter(2);
        skipping.setParam("handleInvalid", "skip");
        GptModel model = skipping.fit(holes);
        assertThat(model.transform(holes).count()).isEqualTo(108);
        assertThat(model.setHandleInvalid("keep")
                        .transform(holes)
                        .filter("loss is null")
                        .count())
                .isEqualTo(12);
        assertThatThrownBy(
                        () -> model.setHandleInvalid("error").transform(holes).count())
                .hasStackTraceContaining("the text is null");
    }

    @Test
    void whatCannotBeIsSaidBeforeAnythingIsWritten() {
        assertThatThrownBy(() -> trainer().setTextCol("texts").fit(table))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("textCol is texts, but the table has no such column; did you mean text?");
        assertThatThrownBy(() -> trainer().setTextCol("id").fit(table))
                .hasMessageContaining("a column of bigint, but text is needed");
        assertThatThrownBy(() -> trainer().setValidationIndicatorCol("id").fit(table))
                .hasMessageContaining("no boolean column");
        assertThatThrownBy(() -> trainer().fit(table.withColumn("loss", functions.lit(1))))
                .hasMessageContaining("column loss exists already");
        assertThatThrownBy(() -> trainer().setNumWorkers(9).fit(table))
                .hasMessageContaining("9 executors would share 4");
        GptTrainer divided = trainer().setEvalDataset(table).setParam("valFraction", 0.2);
        assertThatThrownBy(() -> divided.fit(table)).hasMessageContaining("each says what validates");
        assertThatThrownBy(() -> new GptModel().transform(table)).hasMessageContaining("has no weights");
    }

    @Test
    void allParamsAreExplainedAndATrainerIsSavedAndLoaded() throws IOException {
        GptTrainer trainer = trainer().setEarlyStoppingRounds(3);
        String explained = trainer.explainParams();
        assertThat(explained)
                .contains("nLayer: ", "maxIter: steps of the run (1 or more) (default: 5000, current: 12)")
                .contains("stepSize: ", "validationIndicatorCol: ", "earlyStoppingRounds: ", "textCol: column of text");
        String path = folder.resolve("trainer").toString();
        trainer.write().overwrite().save(path);
        GptTrainer loaded = GptTrainer.load(path);
        assertThat(loaded.explainParams()).isEqualTo(explained);
        assertThat(loaded.uid()).isEqualTo(trainer.uid());
    }

    @Test
    void servicesNameTheStages() {
        assertThat(services(Estimator.class)).contains(GptTrainer.class);
        assertThat(services(Transformer.class)).contains(GptModel.class);
        assertThat(services(Evaluator.class)).contains(LossEvaluator.class);
    }

    private static List<Class<?>> services(Class<?> kind) {
        List<Class<?>> found = new ArrayList<>();
        ServiceLoader.load(kind).stream().forEach(provider -> {
            if (provider.type().getPackageName().startsWith("dev.kindling")) {
                found.add(provider.get().getClass());
            }
        });
        return found;
    }
}
