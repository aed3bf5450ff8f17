package dev.kindling.evaluate;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.config.ConfigException;
import dev.kindling.prepare.CorpusListing;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.LongWritable;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.mapreduce.lib.input.FileSplit;
import org.apache.hadoop.mapreduce.lib.input.TextInputFormat;
import org.apache.spark.api.java.JavaNewHadoopRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/**
 * A table whose rows are documents, as (key, id, text, problem). A row's key does not depend on how the table is
 * divided among tasks: it is the row's file and its number there (Parquet) or its offset (JSON lines).
 *
 * @param data the location as the user wrote it
 * @param root the same, qualified
 * @param column name of the column of text
 * @param idColumn name of the column of ids; without one a row's key is its id
 */
record Table(String data, Path root, String column, Optional<String> idColumn) {
    /** How a table is stored. */
    enum Format {
        PARQUET,
        JSON
    }

    private static final StructType SCHEMA = new StructType()
            .add("key", DataTypes.StringType, false)
            .add("id", DataTypes.StringType, false)
            .add("text", DataTypes.StringType, true)
            .add("problem", DataTypes.StringType, true);

    /** The format by the names of files; empty for text. */
    static Optional<Format> formatOf(List<CorpusListing.Found> files) {
        for (CorpusListing.Found file : files) {
            String name = file.name().toLowerCase(Locale.ROOT);
            if (name.endsWith(".parquet")) {
                return Optional.of(Format.PARQUET);
            }
            if (name.matches(".*\\.(json|jsonl|ndjson)(\\.\\w+)?")) {
                return Optional.of(Format.JSON);
            }
        }
        return Optional.empty();
    }

    /** @throws ConfigException if the table lacks a column that was named */
    Dataset<Row> documents(Format format, SparkSession session) {
        return format == Format.PARQUET ? parquet(session) : json(session);
    }

    private Dataset<Row> parquet(SparkSession session) {
        Dataset<Row> table =
                session.read().option("recursiveFileLookup", "true").parquet(root.toString());
        requireText(table.schema());
        Column key = functions.concat(
                functions.col("_metadata.file_path"), functions.lit("#"), functions.col("_metadata.row_index"));
        Column id = idColumn.map(name -> functions.coalesce(quoted(name).cast("string"), key))
                .orElse(key);
        return table.select(
                key.as("key"),
                id.as("id"),
                quoted(column).as("text"),
                functions.lit(null).cast("string").as("problem"));
    }

    private static Column quoted(String name) {
        return functions.col("`" + name.replace("`", "``") + "`");
    }

    private void requireText(StructType schema) {
        List<String> names = List.of(schema.fieldNames());
        requireColumn("--column", column, names);
        idColumn.ifPresent(name -> requireColumn("--id-column", name, names));
        StructField field = schema.fields()[names.indexOf(column)];
        DataType type = field.dataType();
        if (!type.equals(DataTypes.StringType)) {
            throw new ConfigException("column '%s' of --data %s is %s, not text; name another with --column"
                    .formatted(column, data, type.simpleString()));
        }
    }

    private void requireColumn(String option, String name, List<String> names) {
        if (!names.contains(name)) {
            throw new ConfigException("--data %s has no column '%s', only %s; name one of them with %s"
                    .formatted(data, name, String.join(", ", names), option));
        }
    }

    private Dataset<Row> json(SparkSession session) {
        JavaSparkContext spark = JavaSparkContext.fromSparkContext(session.sparkContext());
        Configuration hadoop = new Configuration(spark.hadoopConfiguration());
        hadoop.setBoolean("mapreduce.input.fileinputformat.input.dir.recursive", true);
        var lines = (JavaNewHadoopRDD<LongWritable, Text>)
                spark.newAPIHadoopFile(root.toString(), TextInputFormat.class, LongWritable.class, Text.class, hadoop);
        JsonRows reading = new JsonRows(column, idColumn.orElse(null));
        JavaRDD<Row> rows = lines.mapPartitionsWithInputSplit(
                (split, pairs) -> {
                    String file = ((FileSplit) split).getPath().toString();
                    Iterable<scala.Tuple2<LongWritable, Text>> all = () -> pairs;
                    return java.util.stream.StreamSupport.stream(all.spliterator(), false)
                            .filter(pair -> !pair._2().toString().isBlank())
                            .map(pair -> reading.row(
                                    file + "#" + pair._1().get(), pair._2().toString()))
                            .iterator();
                },
                false);
        return session.createDataFrame(rows, SCHEMA);
    }

    /** Reads lines of JSON. */
    private record JsonRows(String column, String idColumn) implements java.io.Serializable {
        private static final JsonMapper JSON = new JsonMapper();

        Row row(String key, String line) {
            JsonNode node;
            try {
                node = JSON.readTree(line);
            } catch (JsonProcessingException e) {
                return RowFactory.create(key, key, null, "is not JSON (" + e.getOriginalMessage() + ")");
            }
            JsonNode named = idColumn == null ? null : node.get(idColumn);
            String id = named == null || named.isNull() ? key : named.asText();
            JsonNode text = node.get(column);
            if (text != null && !text.isNull() && !text.isTextual()) {
                return RowFactory.create(key, id, null, "has " + text.getNodeType() + " in '" + column + "', not text");
            }
            if (text == null) {
                return RowFactory.create(key, id, null, "has no '" + column + "'");
            }
            return RowFactory.create(key, id, text.isNull() ? null : text.asText(), null);
        }
    }
}
