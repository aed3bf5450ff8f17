package dev.kindling.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.coordinate.EmbeddedCluster;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/** Sums over tables of more tokens than their units have room for in 64 bits. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class TotalsTest {
    private static final StructType SCORES = new StructType()
            .add(DocumentScores.TOKENS, DataTypes.LongType)
            .add(DocumentScores.BYTES, DataTypes.LongType)
            .add(DocumentScores.NATS, DataTypes.DoubleType)
            .add(DocumentScores.SKIPPED, DataTypes.StringType);

    private EmbeddedCluster cluster;
    private SparkSession session;

    @BeforeAll
    void start() {
        cluster = new EmbeddedCluster(1, Map.of());
        session = SparkSession.builder().getOrCreate();
    }

    @AfterAll
    void stop() {
        cluster.close();
    }

    private Dataset<Row> table(StructType schema, Row row, int times) {
        List<Row> rows = IntStream.range(0, times).mapToObj(i -> row).toList();
        return session.createDataFrame(rows, schema);
    }

    /** Ten documents of ten billion tokens each, at 3.3 nats. */
    @Test
    void ofDocuments() {
        double nats = 3.3e10 + 0.25;
        EvaluationTotals totals =
                EvaluationTotals.of(table(SCORES, RowFactory.create(10_000_000_000L, 40_000_000_000L, nats, null), 10));
        assertThat(totals.documents()).isEqualTo(10);
        assertThat(totals.tokens()).isEqualTo(100_000_000_000L);
        assertThat(totals.nats()).isEqualTo(10 * nats);
        assertThat(totals.loss()).isCloseTo(3.3, within(1e-9));
        assertThat(totals.bitsPerByte()).isCloseTo(3.3 / 4 / Math.log(2), within(1e-9));
    }

    @Test
    void ofItems() {
        double first = -1e9 - 0.5;
        Row item = RowFactory.create("i", 0, new Double[] {first, -1.0}, 1, 0, 1, 5_000_000_000L, false, null);
        ItemTotals totals = ItemTotals.of(table(ItemScores.SCHEMA, item, 20));
        assertThat(totals.items()).isEqualTo(20);
        assertThat(totals.tokens()).isEqualTo(100_000_000_000L);
        assertThat(totals.firstLogLikelihood()).isEqualTo(20 * first);
    }
}
