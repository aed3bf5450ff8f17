package dev.kindling.job;

import dev.kindling.config.ConfigException;
import dev.kindling.config.DataSection;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.input.Named;
import dev.kindling.prepare.ShardPreparation;
import dev.kindling.prepare.TableText;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * The shards of a configuration's corpus.
 *
 * @param folder of the shards
 */
public record PreparedCorpus(Path folder, ShardSet shards) {
    /** Where the texts of a table lie while they are tokenised, beside the shards. */
    private static final String TABLES = ".tables";

    /**
     * The shards of {@code data.corpus}: that folder itself if it holds prepared shards, otherwise {@code own}, which
     * is prepared from it, or from {@code data.table}, if needed.
     *
     * @param vocabulary of the weights that training begins with; empty for that of {@code data.tokenizer}
     */
    static PreparedCorpus of(DataSection data, Optional<Tokenizer> vocabulary, Path own, JavaSparkContext spark)
            throws IOException {
        Configuration hadoop = spark.hadoopConfiguration();
        Named corpus = Named.corpus(data);
        if (data.table().isEmpty() && ShardPreparation.isPrepared(corpus, hadoop)) {
            return opened(corpus.resolve(hadoop), spark);
        }
        if (ShardPreparation.isPrepared(own, hadoop)) {
            return opened(own, spark);
        }
        Storage.of(own, hadoop).files().delete(own, true); // what a killed preparation has left
        if (!data.table().isEmpty()) {
            return ofTables(new Tables(table(data), Optional.empty(), data.table()), data, vocabulary, own);
        }
        ShardPreparation.Request request =
                new ShardPreparation.Request(corpus, data.tokenizer(), vocabulary, data.valFraction());
        return new PreparedCorpus(
                own,
                JobWatch.over(
                        spark.sc(),
                        own.toString(),
                        () -> ShardPreparation.ofSmallHere(spark).prepare(request, own)));
    }

    private static PreparedCorpus opened(Path folder, JavaSparkContext spark) throws IOException {
        return new PreparedCorpus(
                folder,
                JobWatch.over(spark.sc(), folder.toString(), () -> new ShardPreparation(spark).openChecked(folder)));
    }

    private static TableText table(DataSection data) {
        Dataset<Row> table;
        try {
            table = SparkSession.active().table(data.table());
        } catch (Exception e) { // AnalysisException, a checked one of Scala
            throw new ConfigException(
                    e,
                    "data.table %s cannot be read (%s); name a table of the catalog, or format.`path`",
                    data.table(),
                    String.valueOf(e.getMessage()).lines().findFirst().orElse(""));
        }
        TableText.requireText(table.schema(), data.column(), "data.column");
        return new TableText(table, data.column(), false);
    }

    /**
     * Tables of text.
     *
     * @param validation empty where the end of {@code train} is for validation
     * @param origin what the manifest calls them
     */
    public record Tables(TableText train, Optional<TableText> validation, String origin) {}

    /**
     * Writes the shards of tables into {@code folder}.
     *
     * @param data says the tokenizer and the share for validation
     */
    public static PreparedCorpus ofTables(Tables tables, DataSection data, Optional<Tokenizer> vocabulary, Path folder)
            throws IOException {
        JavaSparkContext spark = JavaSparkContext.fromSparkContext(
                tables.train().table().sparkSession().sparkContext());
        Storage storage = Storage.of(folder, spark.hadoopConfiguration());
        Path texts = new Path(folder.getParent(), TABLES);
        storage.files().delete(texts, true);
        try {
            ShardSet shards = JobWatch.over(spark.sc(), folder.toString(), () -> {
                Named train = tables.train().write(new Path(texts, "train"));
                Optional<Named> validation =
                        tables.validation().map(table -> table.write(new Path(texts, "validation")));
                return new ShardPreparation(spark)
                        .prepare(
                                new ShardPreparation.Request(
                                        train,
                                        tables.origin(),
                                        data.tokenizer(),
                                        vocabulary,
                                        validation,
                                        data.valFraction()),
                                folder);
            });
            return new PreparedCorpus(folder, shards);
        } finally {
            storage.files().delete(texts, true);
        }
    }

    /** The size of the vocabulary. */
    int vocabulary() {
        return shards.tokenizer().vocabSize();
    }
}
