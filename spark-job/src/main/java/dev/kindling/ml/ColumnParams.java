package dev.kindling.ml;

import dev.kindling.prepare.TableText;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** The columns that a model reads and adds, and how it handles invalid rows; a trainer passes them on to its model. */
final class ColumnParams {
    static final String ERROR = "error";
    static final String KEEP = "keep";
    static final String SKIP = "skip";

    private final Params owner;
    final Param<String> text;
    final Param<String> loss;
    final Param<String> perplexity;
    final Param<String> bitsPerByte;
    final Param<String> completion;
    final Param<String> handleInvalid;

    /** Those of {@code owner}, with their defaults set. */
    ColumnParams(Params owner) {
        this.owner = owner;
        text = param("textCol", "column of text", "text");
        loss = param("lossCol", "column that is added: mean loss of a token in nats; empty: none", "loss");
        perplexity = param("perplexityCol", "column that is added: exp(loss); empty: none", "perplexity");
        bitsPerByte = param(
                "bitsPerByteCol", "column that is added: bits for a byte of the text; empty: none", "bits_per_byte");
        completion = param("completionCol", "column that is added: how the model continues the text; empty: none", "");
        handleInvalid = param(
                "handleInvalid",
                "rows whose text is null or cannot be read: error, skip (left out), keep (null in what is added)",
                ERROR);
    }

    private Param<String> param(String name, String doc, String initial) {
        Param<String> param = new Param<>(owner.uid(), name, doc, String.class);
        owner.setDefault(param, initial);
        return param;
    }

    List<Param<?>> all() {
        return List.of(text, loss, perplexity, bitsPerByte, completion, handleInvalid);
    }

    String get(Param<String> param) {
        return owner.getOrDefault(param);
    }

    boolean has(Param<String> column) {
        return !get(column).isEmpty();
    }

    boolean scores() {
        return has(loss) || has(perplexity) || has(bitsPerByte);
    }

    /** How invalid rows are handled, checked. */
    String invalid() {
        String way = get(handleInvalid);
        if (!List.of(ERROR, KEEP, SKIP).contains(way)) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "handleInvalid is '%s'; set it to error, skip or keep", way));
        }
        return way;
    }

    /**
     * The schema with the columns that are added.
     *
     * @throws IllegalArgumentException if one is there already
     * @throws dev.kindling.config.ConfigException if the column of text is not there, or none of text
     */
    StructType added(StructType schema) {
        invalid();
        TableText.requireText(schema, get(text), "textCol");
        StructType wider = scored(schema);
        return has(completion) ? add(wider, completion, DataTypes.StringType) : wider;
    }

    StructType scored(StructType schema) {
        StructType wider = schema;
        for (Param<String> column : List.of(loss, perplexity, bitsPerByte)) {
            wider = has(column) ? add(wider, column, DataTypes.DoubleType) : wider;
        }
        return wider;
    }

    StructType completed(StructType schema) {
        return add(schema, completion, DataTypes.StringType);
    }

    private StructType add(StructType schema, Param<String> column, DataType type) {
        if (Arrays.asList(schema.fieldNames()).contains(get(column))) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "column %s exists already; set %s to another name, or to nothing to leave it out",
                    get(column),
                    column.name()));
        }
        return schema.add(get(column), type, true);
    }
}
