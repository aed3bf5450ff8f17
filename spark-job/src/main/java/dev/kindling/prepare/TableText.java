package dev.kindling.prepare;

import dev.kindling.config.ConfigException;
import dev.kindling.config.NearestName;
import dev.kindling.data.DataException;
import dev.kindling.input.Named;
import java.io.Serializable;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.stream.StreamSupport;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructType;

/**
 * The texts of a table that Spark SQL reads, each row a document. They are written to Parquet once, by tasks, so that both
 * stages of a preparation read the same rows in the same order, whatever the table is a query of.
 *
 * @param table with a column of text
 * @param column its name
 * @param skipNulls whether rows without text are passed over; otherwise they are an error
 */
public record TableText(Dataset<Row> table, String column, boolean skipNulls) {
    private static final String TEXT = "text";

    /**
     * Fails if a table has no column of text of that name.
     *
     * @param option names the column in errors
     * @throws ConfigException naming the nearest column, or the type that the column has
     */
    public static void requireText(StructType schema, String column, String option) {
        List<String> names = Arrays.asList(schema.fieldNames());
        if (!names.contains(column)) {
            throw new ConfigException(
                    "%s is %s, but the table has no such column%s",
                    option,
                    column,
                    NearestName.of(column, names)
                            .map(nearest -> "; did you mean " + nearest + "?")
                            .orElse(""));
        }
        if (!(schema.apply(column).dataType() instanceof StringType)) {
            throw new ConfigException(
                    "%s is %s, a column of %s, but text is needed; name a column of strings",
                    option, column, schema.apply(column).dataType().simpleString());
        }
    }

    /** A column by its name, whatever characters that has. */
    public static Column named(String column) {
        return functions.col("`" + column.replace("`", "``") + "`");
    }

    /**
     * Writes the texts to {@code folder}, which is to be read as what is returned.
     *
     * @throws DataException of a task, for a row without text
     */
    public Named write(Path folder) {
        Rows rows = new Rows(column, skipNulls);
        MapPartitionsFunction<String, String> texts = rows::texts;
        table.select(named(column).cast(DataTypes.StringType))
                .as(Encoders.STRING())
                .mapPartitions(texts, Encoders.STRING())
                .toDF(TEXT)
                .write()
                .parquet(folder.toString());
        return Named.corpusOption(folder.toString(), Optional.of(TEXT));
    }

    private record Rows(String column, boolean skipNulls) implements Serializable {
        Iterator<String> texts(Iterator<String> rows) {
            Iterable<String> all = () -> rows;
            return StreamSupport.stream(all.spliterator(), false)
                    .filter(this::holdsText)
                    .iterator();
        }

        private boolean holdsText(String text) {
            if (text == null && !skipNulls) {
                throw new DataException(
                        "column %s holds a null, which is no text; filter such rows out (%s is not null)",
                        column, column);
            }
            return text != null;
        }
    }
}
