package dev.kindling.evaluate;

import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** What a task reports about a passage, as a row. */
final class PassageRow {
    static final String KEY = "key";
    static final String ID = "id";
    static final String TOKENS = "tokens";
    static final String BYTES = "bytes";
    static final String UNITS = "units";
    static final String PROBLEM = "problem";

    static final StructType SCHEMA = new StructType()
            .add(KEY, DataTypes.StringType, false)
            .add(ID, DataTypes.StringType, false)
            .add(TOKENS, DataTypes.LongType, false)
            .add(BYTES, DataTypes.LongType, false)
            .add(UNITS, DataTypes.LongType, false)
            .add(PROBLEM, DataTypes.StringType, true);

    private PassageRow() {}

    static Row of(Tally tally) {
        Passage passage = tally.passage();
        return RowFactory.create(
                passage.key(), passage.id(), tally.tokens(), tally.bytes(), tally.units(), tally.problem());
    }
}
